"""How does work go on when nobody waits for it, and survive whoever began it?"""
