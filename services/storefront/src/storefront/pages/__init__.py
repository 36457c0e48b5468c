"""The pages: a module each area, and a function each page or form."""
