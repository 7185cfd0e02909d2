"""Reports that a person looks at: pages of HTML drawn from the records of a backtest, complete in one file."""
