"""What an operator sees and does about the sagas of orders, of both kinds: where each stands, how it came there."""
