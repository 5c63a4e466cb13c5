/* What holds a pod's namespaces open: it waits, takes in orphans, and ends when told. Built statically. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_end(int sig)
{
	(void)sig;
	_exit(0);
}

static void on_child(int sig)
{
	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGCHLD, on_child);
	for (;;)
		pause();
}
