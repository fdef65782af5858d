"""What people run today, written out as they run it: programs of their own, which do nothing by gluetune's code."""
