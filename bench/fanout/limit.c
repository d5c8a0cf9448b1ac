/* The limit of the fan-out benchmark: an epoll server that does nothing but one send() of a
 * finished frame per client. It speaks just enough of Engine.IO and Socket.IO for load.c.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLIENTS = 4096, MOST_BYTES = 60000 };
enum state { SHAKING_HANDS, OPENING, READY };

struct client {
    enum state state;
    int length;
    char buffer[8192];
};

static struct client *by_fd[MOST_CLIENTS + 64];
static int ready[MOST_CLIENTS], ready_count;
static char text[MOST_BYTES];

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int frame(unsigned char *out, const char *body, int n)
{
    int head = n < 126 ? 2 : 4;
    out[0] = 0x81;
    out[1] = n < 126 ? n : 126;
    if (head == 4) {
        out[2] = n >> 8;
        out[3] = n & 255;
    }
    memcpy(out + head, body, n);
    return head + n;
}

static void send_frame(int fd, const char *body)
{
    unsigned char out[200];
    int n = frame(out, body, strlen(body));
    if (send(fd, out, n, MSG_NOSIGNAL) != n) perror("send");
}

static void broadcast(const char *ask, int n)
{
    static char body[MOST_BYTES + 200];
    static unsigned char out[MOST_BYTES + 210];
    const char *i = memmem(ask, n, "\"i\":", 4), *s = memmem(ask, n, "\"s\":", 4);
    if (!i || !s) return;
    int size = atoi(s + 4);
    if (size >= MOST_BYTES) return;
    int length = snprintf(body, sizeof body, "42[\"m\",{\"i\":%ld,\"t\":%lld,\"d\":\"%.*s\"}]",
                          atol(i + 4), now(), size, text);
    length = frame(out, body, length);
    for (int k = 0; k < ready_count; k++) send(ready[k], out, length, MSG_NOSIGNAL);
}

static void on_frames(int fd, struct client *c)
{
    int at = 0;
    while (c->length - at >= 6) {
        unsigned char *f = (unsigned char *)c->buffer + at;
        int n = f[1] & 127;
        if (n > 125 || c->length - at < 6 + n) break;
        const char *body = (char *)f + 6;
        if (c->state == OPENING) {
            send_frame(fd, "40{\"sid\":\"y\"}");
            c->state = READY;
            ready[ready_count++] = fd;
        } else if (n > 2 && body[1] == '2') broadcast(body, n);
        at += 6 + n;
    }
    memmove(c->buffer, c->buffer + at, c->length - at);
    c->length -= at;
}

static void on_readable(int fd)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: any\r\n\r\n";
    struct client *c = by_fd[fd];
    int n = recv(fd, c->buffer + c->length, sizeof c->buffer - c->length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        for (int k = 0; k < ready_count; k++)
            if (ready[k] == fd) ready[k] = ready[--ready_count];
        close(fd);
        free(c);
        return;
    }
    c->length += n;
    if (c->state != SHAKING_HANDS) on_frames(fd, c);
    else if (memmem(c->buffer, c->length, "\r\n\r\n", 4)) {
        c->length = 0;
        c->state = OPENING;
        send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        send_frame(fd, "0{\"sid\":\"x\"}");
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    int one = 1, poller = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    if (argc != 2) return fprintf(stderr, "usage: limit PORT\n"), 2;
    memset(text, 'x', sizeof text);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    address.sin_port = htons(atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) return perror("bind"), 1;
    listen(listener, 4096);
    event.data.fd = listener;
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                on_readable(fd);
                continue;
            }
            fd = accept(listener, 0, 0);
            if (fd < 0 || fd >= MOST_CLIENTS) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fcntl(fd, F_SETFL, O_NONBLOCK);
            by_fd[fd] = calloc(1, sizeof(struct client));
            event.data.fd = fd;
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
