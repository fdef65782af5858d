"""What people run today, written out as they run it: programs of their own, which import nothing of gluetune's work."""
