"""The machinery that all services share. It knows HTTP, logs and storage plumbing, and no word of any business."""
