/* A host name whose address a test sets: "redis.test" has the address that stands in the file that
 * FAKE_NAME names. Preloaded into a program that asks the C library for addresses. */
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
    char address[64] = "";
    if (host && strcmp(host, "redis.test") == 0) {
        FILE *file = fopen(getenv("FAKE_NAME"), "r");
        if (file) {
            if (fscanf(file, "%63s", address) == 1) host = address;
            fclose(file);
        }
    }
    return system(host, service, hints, found);
}
