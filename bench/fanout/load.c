/* Load client of the fan-out benchmark: one epoll process, many raw websockets that speak
 * Engine.IO 4 and Socket.IO 5.
 *
 * Client 0 asks the server to broadcast (42["go",{"i":I,"s":SIZE}]); the server stamps
 * CLOCK_MONOTONIC in ns and sends 42["m",{"i":I,"t":NS,"d":"..."}] to everybody. A broadcast is
 * complete when every client has it; the next one starts then, so that `outstanding` are under way.
 * Prints one JSON object.
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
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { SHAKING_HANDS, OPENING, JOINING, READY, DEAD };

struct client {
    int fd;
    enum state state;
    char *buffer;
    size_t length, capacity;
};

enum { MOST_BROADCASTS = 2000000, AT_ONCE = 32 };

static struct client *clients;
static int count = 100, port, outstanding_goal = 1, size = 500;
static double seconds = 3, warm_up = 0.7;
static int poller, ready, dead;
static long next_broadcast, under_way, completed, deliveries;
static int64_t measure_from, measure_until;
static int32_t *received;
static int64_t *last_latency;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static void bury(struct client *c)
{
    c->state = DEAD;
    dead++;
    close(c->fd);
}

/* A masked text frame, as clients must send; the mask is zero, so the bytes stay readable. */
static void send_text(struct client *c, const char *text)
{
    unsigned char frame[256];
    size_t n = strlen(text), head = 6;
    if (n > 125) die("a client's frame is too long");
    frame[0] = 0x81;
    frame[1] = 0x80 | (unsigned char)n;
    memset(frame + 2, 0, 4);
    memcpy(frame + head, text, n);
    if (send(c->fd, frame, head + n, MSG_NOSIGNAL) != (ssize_t)(head + n)) bury(c);
}

static void ask_for_broadcast(void)
{
    char text[96];
    if (next_broadcast >= MOST_BROADCASTS) die("too many broadcasts; measure for a shorter time");
    snprintf(text, sizeof text, "42[\"go\",{\"i\":%ld,\"s\":%d}]", next_broadcast++, size);
    under_way++;
    send_text(&clients[0], text);
}

static int64_t number_after(const char *text, size_t n, const char *key)
{
    const char *at = memmem(text, n < 120 ? n : 120, key, strlen(key));
    return at ? atoll(at + strlen(key)) : -1;
}

static void on_delivery(const char *text, size_t n)
{
    int64_t i = number_after(text, n, "\"i\":"), sent = number_after(text, n, "\"t\":"), at = now();
    if (i < 0 || i >= next_broadcast || sent < 0) die("a delivery that nobody asked for");
    int measuring = at >= measure_from && at < measure_until;
    deliveries += measuring;
    if (++received[i] < count - dead) return;
    under_way--;
    if (measuring) {
        last_latency[completed++] = at - sent;
    }
    if (at < measure_until)
        while (under_way < outstanding_goal) ask_for_broadcast();
}

static void on_text(struct client *c, const char *text, size_t n)
{
    if (n && text[0] == '2') send_text(c, "3");
    else if (c->state == OPENING && n && text[0] == '0') {
        c->state = JOINING;
        send_text(c, "40");
    } else if (c->state == JOINING && n >= 2 && !memcmp(text, "40", 2)) {
        c->state = READY;
        ready++;
    } else if (c->state == READY && n > 6 && !memcmp(text, "42", 2)) on_delivery(text, n);
}

/* Handle the whole frames in the buffer; returns the bytes used. */
static size_t on_frames(struct client *c, size_t at)
{
    while (c->state != DEAD && c->length - at >= 2) {
        unsigned char *f = (unsigned char *)c->buffer + at;
        size_t n = f[1] & 127, head = 2;
        if (n == 126) {
            if (c->length - at < 4) break;
            n = (size_t)f[2] << 8 | f[3];
            head = 4;
        } else if (n == 127) die("a frame of 64 KB and more");
        if (c->length - at < head + n) break;
        if ((f[0] & 15) == 1) on_text(c, (char *)f + head, n);
        if ((f[0] & 15) == 8) bury(c);
        at += head + n;
    }
    return at;
}

static size_t on_handshake(struct client *c)
{
    char *end = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (strncmp(c->buffer, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "load: %.60s\n", c->buffer);
        bury(c);
        return c->length;
    }
    c->state = OPENING;
    return end + 4 - c->buffer;
}

static void on_readable(struct client *c)
{
    for (;;) {
        if (c->capacity - c->length < 65536) {
            c->capacity = c->capacity ? c->capacity * 2 : 131072;
            c->buffer = realloc(c->buffer, c->capacity);
            if (!c->buffer) die("out of memory");
        }
        size_t room = c->capacity - c->length;
        ssize_t n = recv(c->fd, c->buffer + c->length, room, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            bury(c);
            return;
        }
        c->length += n;
        size_t used = c->state == SHAKING_HANDS ? on_handshake(c) : 0;
        if (c->state != SHAKING_HANDS) used = on_frames(c, used);
        memmove(c->buffer, c->buffer + used, c->length - used);
        c->length -= used;
        if (c->state == DEAD || (size_t)n < room) return;
    }
}

static void connect_client(int i)
{
    struct client *c = &clients[i];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    char request[400];
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("cannot connect");
    int n = snprintf(request, sizeof request,
                     "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGVhbSByb29tIGJlbmNoMQ==\r\n\r\n", port);
    if (send(c->fd, request, n, MSG_NOSIGNAL) != n) die("cannot send the handshake");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static void turn(int milliseconds)
{
    struct epoll_event events[512];
    int n = epoll_wait(poller, events, 512, milliseconds);
    for (int i = 0; i < n; i++) {
        struct client *c = &clients[events[i].data.u32];
        if (c->state != DEAD) on_readable(c);
    }
}

static void run_until(int64_t when)
{
    while (now() < when) turn(5);
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double q)
{
    return completed ? last_latency[(long)((completed - 1) * q)] / 1e6 : 0;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "p:n:w:d:s:")) > 0;) {
        if (o == 'p') port = atoi(optarg);
        else if (o == 'n') count = atoi(optarg);
        else if (o == 'w') outstanding_goal = atoi(optarg);
        else if (o == 'd') seconds = atof(optarg);
        else if (o == 's') size = atoi(optarg);
        else die("usage: load -p PORT [-n CLIENTS] [-w OUTSTANDING] [-d SECONDS] [-s BYTES]");
    }
    clients = calloc(count, sizeof *clients);
    received = calloc(MOST_BROADCASTS, sizeof *received);
    last_latency = calloc(MOST_BROADCASTS, sizeof *last_latency);
    poller = epoll_create1(0);
    int64_t deadline = now() + 60000000000LL;
    for (int started = 0; ready + dead < count && now() < deadline;) {
        while (started < count && started - ready - dead < AT_ONCE) connect_client(started++);
        turn(20);
    }
    if (ready < count) die("not all clients got in");
    run_until(now() + 500000000LL);
    measure_from = now() + (int64_t)(warm_up * 1e9);
    measure_until = measure_from + (int64_t)(seconds * 1e9);
    for (int i = 0; i < outstanding_goal; i++) ask_for_broadcast();
    run_until(measure_from);
    double cpu = cpu_seconds();
    run_until(measure_until);
    cpu = cpu_seconds() - cpu;
    for (deadline = now() + 5000000000LL; under_way && now() < deadline;) turn(5);
    qsort(last_latency, completed, sizeof *last_latency, by_size);
    printf("{\"clients\": %d, \"outstanding\": %d, \"bytes\": %d, \"deliveries_per_s\": %.0f, "
           "\"last_p50_ms\": %.3f, \"last_p99_ms\": %.3f, \"client_cpu\": %.2f, \"dead\": %d, "
           "\"lost\": %ld}\n",
           count, outstanding_goal, size, deliveries / seconds, percentile(.5), percentile(.99),
           cpu / seconds, dead, under_way);
    return dead || under_way;
}
