"""The personal data of customers: sealed with a key of each person, and readable for as long as that key is there."""
