#include "change_fixture.h"
#include "fake_server.h"

#include "change/containers.h"

#define ID_A "aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000aaaa0000"
#define ID_B "bbbb0000bbbb0000bbbb0000bbbb0000bbbb0000bbbb0000bbbb0000bbbb0000"
#define NOTE STATE_DIR "/containers.json"

#define ANSWER(status, body)                                                                   \
	{                                                                                      \
		.text = "HTTP/1.1 " status                                                     \
			"\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body \
	}
#define PING	ANSWER("200 OK", "OK")
#define STARTED ANSWER("204 No Content", "")
#define GONE	ANSWER("404 Not Found", "{\"message\":\"No such container\"}")
#define BROKEN	ANSWER("500 Internal Server Error", "{\"message\":\"no more pids\"}")
#define LISTED(id) \
	"{\"Id\":\"" id "\",\"Names\":[\"/n\"],\"Image\":\"i\",\"State\":\"running\",\"Labels\":{}}"

static void serve(struct fake_server *server, const struct fake_answer *answers, size_t count)
{
	must(host_mkdirs(&host, "/run", 0755, NULL, &must_err));
	must(host_mkdirs(&host, STATE_DIR, 0700, NULL, &must_err));
	fake_start(server, real("/run/docker.sock"), answers, count);
}

static bool was_asked(const struct fake_server *server, const char *part)
{
	const char *request;

	for (size_t i = 0; (request = fake_request(server, i)); i++) {
		if (strstr(request, part))
			return true;
	}
	return false;
}

static void running_ones_are_noted(void **state)
{
	static const struct fake_answer ANSWERS[] = {
		ANSWER("200 OK", "[" LISTED(ID_A) "," LISTED(ID_B) "]"),
	};
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	must(containers_note(&ctx, &must_err));
	assert_text(NOTE, "[\"" ID_A "\",\"" ID_B "\"]");
	assert_int_equal(mode_of(NOTE), 0600);
	assert_true(was_asked(&server, "/containers/json"));
	assert_false(was_asked(&server, "all=1"));
	/* A second stop of the same run adds, and forgets nothing. */
	must(containers_note(&ctx, &must_err));
	assert_text(NOTE, "[\"" ID_A "\",\"" ID_B "\"]");
}

static void an_earlier_note_is_kept(void **state)
{
	static const struct fake_answer ANSWERS[] = {
		ANSWER("200 OK", "[" LISTED(ID_B) "]"),
	};
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\"]");
	must(containers_note(&ctx, &must_err));
	assert_text(NOTE, "[\"" ID_A "\",\"" ID_B "\"]");
}

static void nothing_runs(void **state)
{
	static const struct fake_answer ANSWERS[] = { ANSWER("200 OK", "[]") };
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	must(containers_note(&ctx, &must_err));
	assert_false(is_there(NOTE));
	must(containers_resume(&ctx, &must_err));
	assert_int_equal(fake_count(&server), 1);
}

/* One that is there and does not tell may have any: it is not stopped over them. */
static void nobody_answers(void **state)
{
	static const struct fake_answer ANSWERS[] = { BROKEN };
	_cleanup_(fake_stop) struct fake_server server;
	struct error err = ERROR_INIT;

	must(containers_note(&ctx, &must_err)); /* no socket */
	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	assert_true(containers_note(&ctx, &err) < 0);
	assert_says(err.message, "no more pids");
	assert_false(is_there(NOTE));
}

static void noted_ones_are_started(void **state)
{
	static const struct fake_answer ANSWERS[] = { PING, STARTED, STARTED };
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	must(containers_resume(&ctx, &must_err));
	assert_true(was_asked(&server, "POST /containers/" ID_A "/start"));
	assert_true(was_asked(&server, "POST /containers/" ID_B "/start"));
	assert_false(is_there(NOTE));
}

static void one_that_is_gone_is_fine(void **state)
{
	static const struct fake_answer ANSWERS[] = { PING, GONE, STARTED };
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	must(containers_resume(&ctx, &must_err));
	assert_true(was_asked(&server, "POST /containers/" ID_B "/start"));
	assert_false(is_there(NOTE));
}

/* It is an error, the others start all the same, and the next run asks nothing of them: somebody may have by then. */
static void one_that_does_not_start(void **state)
{
	static const struct fake_answer ANSWERS[] = { PING, BROKEN, STARTED };
	_cleanup_(fake_stop) struct fake_server server;
	struct error err = ERROR_INIT;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	assert_true(containers_resume(&ctx, &err) < 0);
	assert_says(err.message, "start container aaaa0000aaaa, which ran before, again");
	assert_says(err.message, "no more pids");
	assert_true(was_asked(&server, "POST /containers/" ID_B "/start"));
	assert_false(is_there(NOTE));
}

#define INFO ANSWER("200 OK", "{\"Runtimes\":{\"runc\":{\"path\":\"runc\"}}}")
#define LOOK(more) ANSWER("200 OK", "{\"HostConfig\":{\"Runtime\":\"sysbox-runc\"},\"Config\":{" more "}}")
#define ENDED	   ANSWER("200 OK", "{\"StatusCode\":143}")

/* A sandbox after an uninstall: nobody could start it. */
static void one_whose_runtime_is_gone(void **state)
{
	static const struct fake_answer ANSWERS[] = { PING, BROKEN, LOOK(""), INFO, STARTED };
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	must(containers_resume(&ctx, &must_err));
	assert_true(was_asked(&server, "POST /containers/" ID_B "/start"));
	assert_false(is_there(NOTE));
}

/* Each by its own signal, all at once; the one that stays is killed, the one that is gone is fine. */
static void what_runs_is_stopped(void **state)
{
	static const struct fake_answer ANSWERS[] = {
		LOOK("\"StopSignal\":\"SIGRTMIN+3\",\"StopTimeout\":0"),
		STARTED,
		GONE,
		BROKEN, /* still runs */
		STARTED,
		GONE,
	};
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	must(containers_stop(&ctx, &must_err)); /* nothing is noted */
	assert_int_equal(fake_count(&server), 0);
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	must(containers_stop(&ctx, &must_err));
	assert_true(was_asked(&server, "POST /containers/" ID_A "/kill?signal=SIGRTMIN%2B3 "));
	assert_true(was_asked(&server, "POST /containers/" ID_A "/wait"));
	assert_true(was_asked(&server, "POST /containers/" ID_A "/stop?t=0"));
	assert_false(was_asked(&server, "POST /containers/" ID_B "/kill"));
	assert_true(was_asked(&server, "POST /containers/" ID_B "/wait"));
	assert_true(is_there(NOTE)); /* for their start */
}

static void one_that_cannot_be_stopped(void **state)
{
	static const struct fake_answer ANSWERS[] = {
		LOOK("\"StopSignal\":\"a b\""), STARTED, LOOK(""), STARTED, ENDED, BROKEN, BROKEN,
	};
	_cleanup_(fake_stop) struct fake_server server;
	struct error err = ERROR_INIT;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	put(NOTE, "[\"" ID_A "\", \"" ID_B "\"]");
	assert_int_equal(containers_stop(&ctx, &err), -EIO);
	assert_says(err.message, "stop container bbbb0000bbbb: docker: no more pids");
	assert_true(was_asked(&server, "POST /containers/" ID_A "/kill?signal=SIGTERM "));
}

static void notes_that_are_damaged(void **state)
{
	static const char *const NOTES[] = { "", "{", "{}", "[]", "3" };
	static const struct fake_answer ANSWERS[] = { PING };
	_cleanup_(fake_stop) struct fake_server server;

	serve(&server, ANSWERS, ARRAY_SIZE(ANSWERS));
	for (size_t i = 0; i < ARRAY_SIZE(NOTES); i++) {
		put(NOTE, NOTES[i]);
		must(containers_resume(&ctx, &must_err));
	}
	assert_int_equal(fake_count(&server), 0);
	put(NOTE, "[1, null, {}]");
	must(containers_resume(&ctx, &must_err));
	assert_false(is_there(NOTE));
}

static void docker_that_does_not_come_up(void **state)
{
	struct error err = ERROR_INIT;

	put(NOTE, "[\"" ID_A "\"]");
	ctx.services_ms = 50;
	assert_int_equal(containers_resume(&ctx, &err), -ETIMEDOUT);
	assert_true(is_there(NOTE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(running_ones_are_noted),
		change_test(an_earlier_note_is_kept),
		change_test(nothing_runs),
		change_test(nobody_answers),
		change_test(noted_ones_are_started),
		change_test(one_that_is_gone_is_fine),
		change_test(one_that_does_not_start),
		change_test(one_whose_runtime_is_gone),
		change_test(what_runs_is_stopped),
		change_test(one_that_cannot_be_stopped),
		change_test(notes_that_are_damaged),
		change_test(docker_that_does_not_come_up),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
