"""Which item a new user is asked first: who ranks the questions."""
