"""What speaks to the databases themselves: preparing, backing up and restoring them."""
