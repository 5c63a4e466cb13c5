/*
 * berth under the name `nsenter`: in an image with one program in it, the commands of other manuals work
 * (`kubectl exec POD -- nsenter -t 1 -m -u -n -i docker info`).
 */
#ifndef CLI_NSENTER_H
#define CLI_NSENTER_H

/*
 * Runs a program of the host in its mount, UTS, network and IPC namespaces, and does not return where that
 * works. Else an exit status: 1 for what it cannot do, with a line; 126 and 127 as a shell has them.
 */
int nsenter_main(int argc, char **argv);

#endif
