"""Several hosts on one machine: real sshd, real files, real Ray, in namespaces instead of a rack.

enter.sh   a namespace around everything; what is in it ends with it, also by a kill
hosts.py   hosts in there, on a bridge
host.sh    what a host does when it is switched on
"""
