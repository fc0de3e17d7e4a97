"""Files on disk: written whole or not at all, checked when read, traced to the code and the files behind them."""
