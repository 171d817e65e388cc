"""What `orderflow demo` is made of: the system's processes, their supervision, and what a person sees of it."""
