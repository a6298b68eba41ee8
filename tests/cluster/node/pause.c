/*
 * pause: the process that holds a pod's namespaces open (sandbox_image of the container runtime).
 *
 * It has two duties. It must exit at once on SIGTERM and SIGINT, or each pod deletion would last the
 * whole grace period: as pid 1 of its namespace it gets no default signal actions. And where pods
 * share a pid namespace it inherits orphans, which it must reap.
 *
 * Built static, so that its image is one file.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	/* Blocked and waited for, rather than handled: no handler, no races. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return 1;
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			return 1;
		if (sig != SIGCHLD)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
