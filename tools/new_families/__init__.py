"""What the tools that write a family's folder have in common."""
