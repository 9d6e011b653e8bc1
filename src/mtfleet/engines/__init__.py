"""Where work is placed, how requests reach the holder, who holds a lease."""
