"""AI-Buddy: a shop assistant that talks over a socket, acts for whoever is signed in, and proposes
what cannot be undone.
"""
