"""One file per peer: a process that folds `orders.events` into the rows of `order_summaries` and prints its measure."""
