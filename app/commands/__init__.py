"""Handles commands: reads the order, lets the rules decide, appends. Used by the API and by the fulfilment saga."""
