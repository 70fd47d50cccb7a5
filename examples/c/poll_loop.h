/* The loop of a server with many connections: wait by poll_oneoff, receive requests, send answers. The two servers beside this file
 * say only what an answer is.
 *
 * A connection has a buffer for a request's head and, while an answer does not fit into the socket's send buffer, what is left of
 * it. All sockets are non-blocking. Requests may be pipelined. */
#ifndef POLL_LOOP_H
#define POLL_LOOP_H

#include "wasmedge_socket.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

enum { MAX_CONNECTIONS = 4000, MAX_HEAD = 2048 };

/* Bytes to send: a head, then a body. Both must stay valid until they are sent; the head is copied where it does not fit at once. */
typedef struct {
    const char *head;
    size_t head_length;
    const char *body;
    size_t body_length;
    bool close;
} answer;

typedef struct {
    uint32_t fd;
    size_t received;
    char request[MAX_HEAD];
    /* What is left to send. */
    char head[256];
    size_t head_length;
    const char *body;
    size_t body_length;
    bool close_when_sent;
} connection;

/* Defined by the server: the answer to the request whose head is `request`, without the empty line that ends it. */
static answer answer_request(const char *request, size_t length);

/* Each connection's subscription has the connection's index; the listener's comes after them. Only what changes is written. */
static connection *connections[MAX_CONNECTIONS];
static size_t connection_count;
static __wasi_subscription_t subscriptions[MAX_CONNECTIONS + 1];
static __wasi_event_t events[MAX_CONNECTIONS + 1];

static void set_nonblocking(uint32_t fd) {
    __wasi_errno_t error = __wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_NONBLOCK);
    if (error != 0) {
        fprintf(stderr, "cannot make descriptor %u non-blocking: errno %u\n", fd, error);
        exit(1);
    }
}

static void subscribe(size_t place, uint32_t fd, uint8_t type) {
    subscriptions[place] = (__wasi_subscription_t){.userdata = place};
    subscriptions[place].u.tag = type;
    subscriptions[place].u.u.fd_read.file_descriptor = fd;
}

static bool is_sending(const connection *c) { return c->head_length + c->body_length > 0; }

/* Subscribes to what a connection waits for: room for the rest of an answer, or a request. */
static void subscribe_connection(size_t index) {
    connection *c = connections[index];
    subscribe(index, c->fd, is_sending(c) ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ);
}

static void close_connection(size_t index) {
    close((int)connections[index]->fd);
    free(connections[index]);
    connections[index] = connections[--connection_count];
    if (index < connection_count) subscribe_connection(index);
}

/* Sends what is left of an answer. Returns false if the connection is of no use any more. */
static bool send_rest(connection *c) {
    while (is_sending(c)) {
        socket_buffer buffers[2] = {{c->head, c->head_length}, {c->body, c->body_length}};
        size_t sent = 0;
        uint32_t error = sock_send(c->fd, buffers, 2, 0, &sent);
        if (error == __WASI_ERRNO_AGAIN) return true;
        if (error != 0) return false;
        size_t of_head = sent < c->head_length ? sent : c->head_length;
        memmove(c->head, c->head + of_head, c->head_length - of_head);
        c->head_length -= of_head;
        c->body += sent - of_head;
        c->body_length -= sent - of_head;
    }
    return !c->close_when_sent;
}

/* Returns the empty line that ends a request's head, or NULL. Every fourth byte is looked at, for one of them is part of it. */
static const char *find_head_end(const char *bytes, size_t length) {
    static const char mark[4] = "\r\n\r\n";
    for (size_t last = 3; last < length; last += 4) {
        if (bytes[last] != '\r' && bytes[last] != '\n') continue;
        for (size_t end = last; end < last + 4 && end < length; end++)
            if (memcmp(bytes + end - 3, mark, 4) == 0) return bytes + end - 3;
    }
    return NULL;
}

/* Answers every complete request that was received, unless an answer is still on its way. */
static bool answer_requests(connection *c) {
    size_t start = 0;
    bool is_useful = true;
    while (is_useful && !is_sending(c)) {
        const char *request = c->request + start;
        const char *end = find_head_end(request, c->received - start);
        if (end == NULL) break;
        answer a = answer_request(request, (size_t)(end - request));
        start += (size_t)(end - request) + 4;
        memcpy(c->head, a.head, a.head_length);
        c->head_length = a.head_length;
        c->body = a.body;
        c->body_length = a.body_length;
        c->close_when_sent = a.close;
        is_useful = send_rest(c);
    }
    c->received -= start;
    memmove(c->request, c->request + start, c->received);
    return is_useful && c->received < MAX_HEAD;
}

static bool receive_requests(connection *c) {
    socket_buffer buffer = {c->request + c->received, MAX_HEAD - c->received};
    size_t length = 0;
    uint32_t flags = 0;
    uint32_t error = sock_recv(c->fd, &buffer, 1, 0, &length, &flags);
    if (error == __WASI_ERRNO_AGAIN) return true;
    if (error != 0 || length == 0) return false;
    c->received += length;
    return answer_requests(c);
}

static void accept_connections(uint32_t listener) {
    uint32_t fd;
    while (connection_count < MAX_CONNECTIONS && sock_accept(listener, &fd) == 0) {
        connection *c = calloc(1, sizeof *c);
        if (c == NULL) {
            close((int)fd);
            return;
        }
        set_nonblocking(fd);
        c->fd = fd;
        connections[connection_count] = c;
        subscribe_connection(connection_count++);
    }
}

static uint32_t open_listener(uint16_t port) {
    static const uint8_t any[4] = {0, 0, 0, 0};
    socket_address address = {any, sizeof any};
    uint32_t fd = 0;
    uint32_t error = sock_open(SOCKET_IPV4, SOCKET_STREAM, &fd);
    if (error == 0) error = sock_bind(fd, &address, port);
    if (error == 0) error = sock_listen(fd, 1024);
    if (error != 0) {
        fprintf(stderr, "cannot listen on port %u: errno %u\n", port, error);
        exit(1);
    }
    set_nonblocking(fd);
    return fd;
}

static void serve(uint16_t port) {
    uint32_t listener = open_listener(port);
    fprintf(stderr, "listening on port %u\n", port);
    for (;;) {
        size_t count = connection_count;
        subscribe(count, listener, __WASI_EVENTTYPE_FD_READ);
        __wasi_size_t ready = 0;
        if (__wasi_poll_oneoff(subscriptions, events, count + 1, &ready) != 0) exit(1);
        bool has_new = false;
        /* Backwards, since closing a connection moves the last one into its place. */
        for (size_t e = ready; e-- > 0;) {
            size_t index = (size_t)events[e].userdata;
            if (index == count) {
                has_new = true;
                continue;
            }
            connection *c = connections[index];
            bool is_useful;
            if (events[e].error != 0) {
                is_useful = false;
            } else if (events[e].type == __WASI_EVENTTYPE_FD_WRITE) {
                is_useful = send_rest(c) && answer_requests(c);
            } else {
                is_useful = receive_requests(c);
            }
            if (!is_useful) close_connection(index);
            else if (is_sending(c) != (events[e].type == __WASI_EVENTTYPE_FD_WRITE)) subscribe_connection(index);
        }
        if (has_new) accept_connections(listener);
    }
}

#endif
