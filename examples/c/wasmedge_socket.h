/* WasmEdge's socket functions for C, in the form with bare addresses (4 bytes for IPv4, 16 for IPv6). Each returns an errno. */
#ifndef WASMEDGE_SOCKET_H
#define WASMEDGE_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#define WASI_SOCKET(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

enum { SOCKET_IPV4 = 1, SOCKET_IPV6 = 2 };
enum { SOCKET_DATAGRAM = 1, SOCKET_STREAM = 2 };
enum { SOCKET_SHUTDOWN_RECEIVE = 1, SOCKET_SHUTDOWN_SEND = 2 };

typedef struct {
    const void *bytes;
    size_t length;
} socket_address;

typedef struct {
    const void *bytes;
    size_t length;
} socket_buffer;

/* A result of sock_getaddrinfo: `data` of `address` is a port in network order, then an IP address. The caller links the list. */
struct socket_address_data {
    uint8_t family;
    uint32_t data_length;
    uint8_t *data;
};
struct socket_address_info {
    uint16_t flags;
    uint8_t family;
    uint8_t type;
    uint32_t protocol;
    uint32_t address_length;
    struct socket_address_data *address;
    char *canonical_name;
    uint32_t canonical_name_length;
    struct socket_address_info *next;
};

WASI_SOCKET(sock_open) uint32_t sock_open(uint32_t family, uint32_t type, uint32_t *fd);
WASI_SOCKET(sock_bind) uint32_t sock_bind(uint32_t fd, const socket_address *address, uint32_t port);
WASI_SOCKET(sock_listen) uint32_t sock_listen(uint32_t fd, uint32_t backlog);
WASI_SOCKET(sock_accept) uint32_t sock_accept(uint32_t fd, uint32_t *connection);
WASI_SOCKET(sock_connect) uint32_t sock_connect(uint32_t fd, const socket_address *address, uint32_t port);
WASI_SOCKET(sock_recv)
uint32_t sock_recv(uint32_t fd, const socket_buffer *buffers, size_t count, uint32_t flags, size_t *length, uint32_t *out_flags);
WASI_SOCKET(sock_recv_from)
uint32_t sock_recv_from(uint32_t fd, const socket_buffer *buffers, size_t count, const socket_address *address, uint32_t flags,
                        uint32_t *port, size_t *length, uint32_t *out_flags);
WASI_SOCKET(sock_send)
uint32_t sock_send(uint32_t fd, const socket_buffer *buffers, size_t count, uint32_t flags, size_t *length);
WASI_SOCKET(sock_send_to)
uint32_t sock_send_to(uint32_t fd, const socket_buffer *buffers, size_t count, const socket_address *address, uint32_t port,
                      uint32_t flags, size_t *length);
WASI_SOCKET(sock_getaddrinfo)
uint32_t sock_getaddrinfo(const char *node, size_t node_length, const char *service, size_t service_length,
                          const struct socket_address_info *hints, struct socket_address_info **results, uint32_t max_count,
                          uint32_t *count);
WASI_SOCKET(sock_shutdown) uint32_t sock_shutdown(uint32_t fd, uint32_t how);

#endif
