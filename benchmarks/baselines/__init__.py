"""The programs that gluetune is compared with, as their documentation writes them; none trains by gluetune's code."""
