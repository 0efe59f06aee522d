"""Where the time of a call goes: what each process of Motet uses for one, and in which of its functions."""
