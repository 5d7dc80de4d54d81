"""Auth answers for accounts, for who is signed in, and for each person's address book."""
