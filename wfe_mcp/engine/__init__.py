"""How do a command, the rules, the evidence and the database come together?"""
