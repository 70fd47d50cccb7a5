/* Makes a Linux program of an object that wasm2obj has written: all that an application expects of its surroundings.
 *
 * The object brings code, data and the symbol `wasmetal.module`, which leads to its memories, data segments and entry points
 * (the layouts are those of abi/src/instance.rs). This file maps the linear memory at the address that the code was compiled
 * for, fills it, supplies the runtime functions (`wasmetal.*`, abi/src/builtins.rs) and a few functions of WASI, turns
 * faults into Wasm traps, and calls `_start`. One memory, one thread; x86-64 and aarch64.
 *
 * Names with dots are no C identifiers, so every symbol has an assembler label. Linear memory may start at address 0, which C
 * takes for null: guest addresses stay integers until they have been checked, and -fno-delete-null-pointer-checks is needed. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

struct memory { uint64_t base, length, minimum_pages, maximum_pages; uint32_t page_size_log2, is_64; uint64_t reach; };
struct segment { uint64_t start, length, memory_index, offset; };
struct module {
    uint32_t abi_version, reserved;
    uint64_t cpu_features, text_start, text_end, trap_table, trap_table_length;
    struct memory **memories; uint64_t memory_count;
    const struct segment *segments; uint64_t segment_count;
    void (*initialize)(void), (*start)(void), (*reactor_initialize)(void);
};
extern const struct module module __asm__("wasmetal.module");
enum { ABI_VERSION = 2, EBADF_WASI = 8, EFAULT_WASI = 21, EINVAL_WASI = 28, EIO_WASI = 29, ESPIPE_WASI = 70, TRAP_STATUS = 134 };
static char **arguments;

static void fail(const char *message) { fprintf(stderr, "error: %s\n", message); exit(TRAP_STATUS); }

/* The runtime functions. They never trap: compiled code has checked the bounds. */
uint64_t memory_grow(struct memory *, uint64_t) __asm__("wasmetal.memory_grow");
uint64_t memory_grow(struct memory *memory, uint64_t pages) {
    uint64_t old = memory->length >> memory->page_size_log2, limit = memory->reach >> memory->page_size_log2;
    if (limit > memory->maximum_pages) limit = memory->maximum_pages;
    if (!memory->is_64 && limit > 1ull << (32 - memory->page_size_log2)) limit = 1ull << (32 - memory->page_size_log2);
    if (old > limit || pages > limit - old) return UINT64_MAX;
    uint64_t bytes = pages << memory->page_size_log2;
    if (bytes && mprotect((void *)(memory->base + memory->length), bytes, PROT_READ | PROT_WRITE)) return UINT64_MAX;
    memory->length += bytes;
    return old;
}
void memory_copy(void *, const void *, uint64_t) __asm__("wasmetal.memory_copy");
void memory_copy(void *to, const void *from, uint64_t length) { memmove(to, from, length); }
void memory_fill(void *, uint32_t, uint64_t) __asm__("wasmetal.memory_fill");
void memory_fill(void *at, uint32_t value, uint64_t length) { memset(at, value, length); }

/* A range of linear memory, or false where it leaves that. */
static int guest(uint32_t address, uint64_t length, uint8_t **result) {
    struct memory *memory = module.memories[0];
    *result = (uint8_t *)(memory->base + address);
    return address + length <= memory->length;
}
static int put(uint32_t address, const void *value, size_t length) {
    uint8_t *at;
    return guest(address, length, &at) ? (memcpy(at, value, length), 0) : EFAULT_WASI;
}

/* WASI preview 1: each function returns an errno. */
#define WASI(name, ...) \
    uint32_t name(__VA_ARGS__) __asm__("wasi_snapshot_preview1." #name); \
    uint32_t name(__VA_ARGS__)

static uint32_t transfer(ssize_t (*call)(int, const struct iovec *, int), uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done) {
    struct iovec host[64]; uint32_t taken = count < 64 ? count : 64; uint8_t *at, *buffer;
    if (!guest(vectors, 8ull * count, &at)) return EFAULT_WASI;
    for (uint32_t i = 0; i < taken; i++) {
        uint32_t pair[2]; memcpy(pair, at + 8 * i, 8);
        if (!guest(pair[0], pair[1], &buffer)) return EFAULT_WASI;
        host[i] = (struct iovec){ buffer, pair[1] };
    }
    if (fd > 2) return EBADF_WASI;
    ssize_t moved = call(fd, host, taken); uint32_t length = moved;
    return moved < 0 ? EIO_WASI : put(done, &length, 4);
}
WASI(fd_write, uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done) { return transfer(writev, fd, vectors, count, done); }
WASI(fd_read, uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done) { return transfer(readv, fd, vectors, count, done); }
WASI(fd_close, uint32_t fd) { return fd > 2 ? EBADF_WASI : 0; }
WASI(fd_seek, uint32_t fd, uint64_t by, uint32_t from, uint32_t to) { (void)by, (void)from, (void)to; return fd > 2 ? EBADF_WASI : ESPIPE_WASI; }
WASI(fd_prestat_get, uint32_t fd, uint32_t to) { (void)fd, (void)to; return EBADF_WASI; }
WASI(fd_fdstat_get, uint32_t fd, uint32_t to) {
    struct { uint8_t type; uint16_t flags; uint64_t rights[2]; } stat = { 2, 0, { 1 << 1 | 1 << 6, 0 } };
    return fd > 2 ? EBADF_WASI : put(to, &stat, sizeof stat);
}
WASI(random_get, uint32_t to, uint32_t length) {
    uint8_t *at;
    if (!guest(to, length, &at)) return EFAULT_WASI;
    for (ssize_t got; length; at += got, length -= got) if ((got = getrandom(at, length, 0)) < 0) return EIO_WASI;
    return 0;
}
WASI(clock_time_get, uint32_t clock, uint64_t precision, uint32_t to) {
    (void)precision; struct timespec now;
    if (clock > 1 || clock_gettime(clock ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now)) return EINVAL_WASI;
    uint64_t time_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
    return put(to, &time_ns, 8);
}
static uint32_t strings(char **list, uint32_t pointers, uint32_t bytes) {
    for (uint32_t i = 0, error; list[i]; i++, pointers += 4) {
        uint32_t length = strlen(list[i]) + 1;
        if ((error = put(pointers, &bytes, 4)) || (error = put(bytes, list[i], length))) return error;
        bytes += length;
    }
    return 0;
}
static uint32_t sizes(char **list, uint32_t count, uint32_t bytes) {
    uint32_t number = 0, total = 0;
    for (; list[number]; number++) total += strlen(list[number]) + 1;
    return put(count, &number, 4) ? EFAULT_WASI : put(bytes, &total, 4);
}
WASI(args_get, uint32_t pointers, uint32_t bytes) { return strings(arguments, pointers, bytes); }
WASI(args_sizes_get, uint32_t count, uint32_t bytes) { return sizes(arguments, count, bytes); }
WASI(environ_get, uint32_t pointers, uint32_t bytes) { return strings(environ, pointers, bytes); }
WASI(environ_sizes_get, uint32_t count, uint32_t bytes) { return sizes(environ, count, bytes); }
_Noreturn void proc_exit(uint32_t) __asm__("wasi_snapshot_preview1.proc_exit");
_Noreturn void proc_exit(uint32_t code) { exit(code); }

/* Reads the variable-length number at *at and moves behind it; for signed ones, `is_signed` extends the last byte's sign. */
static int64_t leb128(const uint8_t **at, int is_signed) {
    uint64_t value = 0; int shift = 0; uint8_t byte;
    do byte = *(*at)++, value |= (uint64_t)(byte & 127) << shift, shift += 7; while (byte & 128);
    return is_signed && (byte & 64) && shift < 64 ? value | -1ull << shift : value;
}
/* A fault: prints the trap that the trap table (abi/src/trap_table.rs) has for the instruction. */
static void on_fault(int signal_number, siginfo_t *info, void *context) {
    static const char *const messages[] = { "call stack exhausted", "wasm `unreachable` instruction executed",
        "out of bounds memory access", "undefined element: out of bounds table access", "uninitialized element",
        "indirect call type mismatch", "integer overflow", "integer divide by zero", "invalid conversion to integer" };
    const mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext; (void)info;
#ifdef __x86_64__
    uint64_t pc = machine->gregs[REG_RIP];
#else
    uint64_t pc = machine->pc;
#endif
    if (pc < module.text_start || pc >= module.text_end) { signal(signal_number, SIG_DFL); return; }
    const uint8_t *table = (const uint8_t *)module.trap_table; uint32_t count, record[6]; unsigned kind = 0;
    memcpy(&count, table, 4); pc -= module.text_start;
    const uint8_t *name = (const uint8_t *)"", *tail = table + 4 + 24ull * count; uint64_t name_length = 0, wasm = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(record, table + 4 + 24ull * i, 24);
        if (pc < record[0] || pc >= record[0] + (uint64_t)record[1]) continue;
        const uint8_t *sites = tail + record[5]; uint64_t code = record[0], outermost = record[3];
        for (uint64_t left = leb128(&sites, 0); left; left--) {
            code += leb128(&sites, 0); unsigned found = *sites++; uint64_t offset = outermost += leb128(&sites, 1);
            for (unsigned inlined = found >> 5; inlined; inlined--) offset += leb128(&sites, 1);
            if (code == pc) kind = found & 31, wasm = offset;
        }
    }
    /* The function that the offset lies in, which may be inlined here: the last one to begin before it. */
    for (uint32_t i = 0, begin = 0; i < count; i++) {
        memcpy(record, table + 4 + 24ull * i, 24);
        if (record[2] == UINT32_MAX || record[3] < begin || record[3] > wasm) continue;
        begin = record[3], name = tail + record[4], name_length = leb128(&name, 0);
    }
    fprintf(stderr, "error: wasm trap: %s\nwasm backtrace:\n    0: %#8llx - %.*s\n", kind < 9 ? messages[kind] : "trap",
            (unsigned long long)wasm, (int)name_length, name);
    _exit(TRAP_STATUS);
}

int main(int argc, char **argv) {
    (void)argc, arguments = argv;
    if (module.abi_version != ABI_VERSION) fail("the object belongs to another version of wasm2obj");
    for (uint64_t i = 0; i < module.memory_count; i++) {
        struct memory *memory = module.memories[i];
        void *base = mmap((void *)memory->base, memory->reach, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (base != (void *)memory->base) fail("cannot map the linear memory at its address: compile with another --memory-base");
        if (memory->length && mprotect(base, memory->length, PROT_READ | PROT_WRITE)) fail("cannot allocate the linear memory");
    }
    for (uint64_t i = 0; i < module.segment_count; i++) {
        const struct segment *segment = &module.segments[i];
        memcpy((void *)(module.memories[segment->memory_index]->base + segment->offset), (void *)segment->start, segment->length);
    }
    static uint8_t signal_stack[64 << 10];
    sigaltstack(&(stack_t){ .ss_sp = signal_stack, .ss_size = sizeof signal_stack }, NULL);
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
    if (module.initialize) module.initialize();
    if (!module.start) fail("the module has no export _start");
    module.start();
    return 0;
}
