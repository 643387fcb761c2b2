"""A composer of consistent worlds: a healthy cluster with its AWS account, and faults that change both."""
