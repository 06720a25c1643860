"""What can the server do in a step: call a tool, send a request, one of a few built-in actions?"""
