"""Where state lives: the seam, and its implementations in memory and on Redis."""
