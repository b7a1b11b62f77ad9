/* A host name whose addresses a test sets: "host.test" has those that stand in the file that FAKE_NAME
 * names, in their order. Preloaded into a program that asks the C library for addresses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    lookup *system = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || strcmp(host, "host.test") != 0) return system(host, service, hints, found);
    FILE *file = fopen(getenv("FAKE_NAME"), "r");
    if (!file) return EAI_NONAME;
    char address[64];
    struct addrinfo **last = found;
    *found = NULL;
    while (fscanf(file, "%63s", address) == 1 && system(address, service, hints, last) == 0)
        while (*last) last = &(*last)->ai_next;
    fclose(file);
    return *found ? 0 : EAI_NONAME;
}
