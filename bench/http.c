/* HTTP load client of the benchmarks: keep-alive connections, one request under way on each.
 *
 * Reads people from a file, one line "COOKIE CSRF" for each connection. With -b each request is a
 * POST of a new message with a client_id of its own and that many bytes of text, else a GET.
 * Prints one JSON object; the latencies in ms are of answered requests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PEOPLE = 512, MOST_ANSWERS = 4000000, ANSWER_BYTES = 4 << 20 };

struct person {
    int fd;
    char cookie[200], csrf[100];
    char *answer;
    size_t length;
    long sent;
    int64_t asked_at;
};

static struct person people[MOST_PEOPLE];
static int count, port, bytes, poller;
static const char *path = "/";
static double seconds = 3, warm_up = 0.7;
static int64_t measure_from, measure_until, run_id;
static float *latency;
static long answered, refused, bytes_read;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *why)
{
    fprintf(stderr, "http: %s\n", why);
    exit(1);
}

static void ask(struct person *p)
{
    static char text[20000], body[20400], request[22000];
    int n = 0;
    if (bytes) {
        if (!text[0])
            for (int i = 0; i < bytes; i++) text[i] = i % 8 == 7 ? ' ' : 'a' + i % 23;
        n = snprintf(body, sizeof body, "{\"client_id\": \"%llx-%d-%ld\", \"content\": \"%.*s\"}",
                     (long long)run_id, (int)(p - people), p->sent, bytes, text);
    }
    int length = snprintf(request, sizeof request,
                          "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: tr_sid=%s\r\n",
                          bytes ? "POST" : "GET", path, port, p->cookie);
    if (bytes)
        length += snprintf(request + length, sizeof request - length,
                           "X-CSRF-Token: %s\r\nContent-Type: application/json\r\n"
                           "Content-Length: %d\r\n", p->csrf, n);
    length += snprintf(request + length, sizeof request - length, "\r\n%.*s", n, body);
    p->sent++;
    p->length = 0;
    p->asked_at = now();
    if (send(p->fd, request, length, MSG_NOSIGNAL) != length) die("cannot send a request");
}

/* The length of the whole answer, 0 while it is not known. */
static size_t whole(struct person *p)
{
    char *end = memmem(p->answer, p->length, "\r\n\r\n", 4);
    if (!end) return 0;
    char *said = strcasestr(p->answer, "\r\nContent-Length:");
    if (!said || said > end) die("an answer without a length");
    return end + 4 - p->answer + atol(said + 17);
}

static void on_answer(struct person *p)
{
    int64_t at = now();
    int status = atoi(p->answer + 9);
    if (status / 100 != 2) {
        if (!refused) fprintf(stderr, "http: %.600s\n", p->answer);
        refused++;
    } else if (at >= measure_from && at < measure_until && answered < MOST_ANSWERS) {
        latency[answered++] = (at - p->asked_at) / 1e6;
        bytes_read += p->length;
    }
    if (at < measure_until) ask(p);
}

static void on_readable(struct person *p)
{
    ssize_t n = recv(p->fd, p->answer + p->length, ANSWER_BYTES - p->length - 1, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    p->length += n;
    p->answer[p->length] = 0;
    size_t wanted = whole(p);
    if (wanted >= ANSWER_BYTES) die("an answer is too long");
    if (wanted && p->length >= wanted) on_answer(p);
}

static void connect_person(struct person *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    p->answer = malloc(ANSWER_BYTES);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(p->fd, (struct sockaddr *)&address, sizeof address)) die("cannot connect");
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &e);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(double q)
{
    return answered ? latency[(long)((answered - 1) * q)] : 0;
}

static void read_people(const char *name)
{
    FILE *file = fopen(name, "r");
    if (!file) die("cannot read the people");
    while (count < MOST_PEOPLE
           && fscanf(file, "%199s %99s", people[count].cookie, people[count].csrf) == 2)
        count++;
    fclose(file);
    if (!count) die("nobody is in the file");
}

int main(int argc, char **argv)
{
    const char *file = 0;
    for (int o; (o = getopt(argc, argv, "p:f:a:d:b:")) > 0;) {
        if (o == 'p') port = atoi(optarg);
        else if (o == 'f') file = optarg;
        else if (o == 'a') path = optarg;
        else if (o == 'd') seconds = atof(optarg);
        else if (o == 'b') bytes = atoi(optarg);
        else die("usage: http -p PORT -f PEOPLE [-a ADDRESS] [-d SECONDS] [-b BYTES]");
    }
    if (!file || bytes > 19000) die("usage: http -p PORT -f PEOPLE [-a ADDRESS] [-d SECONDS] [-b BYTES]");
    read_people(file);
    latency = malloc(MOST_ANSWERS * sizeof *latency);
    poller = epoll_create1(0);
    run_id = now();
    for (int i = 0; i < count; i++) connect_person(&people[i]);
    measure_from = now() + (int64_t)(warm_up * 1e9);
    measure_until = measure_from + (int64_t)(seconds * 1e9);
    for (int i = 0; i < count; i++) ask(&people[i]);
    while (now() < measure_until) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, 50);
        for (int i = 0; i < n; i++) on_readable(events[i].data.ptr);
    }
    qsort(latency, answered, sizeof *latency, by_size);
    printf("{\"per_s\": %.1f, \"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"bytes\": %.0f, \"refused\": %ld}\n",
           answered / seconds, percentile(.5), percentile(.95), percentile(.99),
           answered ? (double)bytes_read / answered : 0, refused);
    return refused > 0;
}
