"""The write side beside its peers: appends, the relay, reading an order again; and how long all of it takes."""
