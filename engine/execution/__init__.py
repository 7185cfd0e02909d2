"""Orders on their way: the book of what is working, the account as decide sees it, and sending."""
