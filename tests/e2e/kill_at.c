// SPDX-License-Identifier: Apache-2.0
// Preloaded into the daemon, ends it with SIGKILL at one call of the C library, right before or right after it:
//   KILL_AT=<call>:<part of the path>:before|after[:<which of the calls that match, from 1>]
// with call = rename (the new name), link (the new name), fdatasync or pwrite (the descriptor's file).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  char call[16], path[256], when[8];
  int which;
} plan;
static atomic_int matched;

__attribute__((constructor)) static void ReadPlan(void) {
  const char* text = getenv("KILL_AT");
  plan.which = 1;
  if (text == NULL || sscanf(text, "%15[^:]:%255[^:]:%7[^:]:%d", plan.call, plan.path, plan.when, &plan.which) < 3) {
    fprintf(stderr, "kill_at: KILL_AT is not as it should be\n");
    _exit(99);
  }
}

static int IsTheCall(const char* call, const char* path) {
  return strcmp(call, plan.call) == 0 && strstr(path, plan.path) != NULL && atomic_fetch_add(&matched, 1) + 1 == plan.which;
}
static void DieIf(int chosen, const char* when) {
  if (chosen && strcmp(when, plan.when) == 0) kill(getpid(), SIGKILL);
}
static int IsTheFile(const char* call, int fd) {
  char link[64], path[4096];
  if (strcmp(call, plan.call) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = '\0';
  return IsTheCall(call, path);
}

static int NewName(const char* name, const char* from, const char* to) {
  const int chosen = IsTheCall(name, to);
  DieIf(chosen, "before");
  const int result = ((int (*)(const char*, const char*))dlsym(RTLD_NEXT, name))(from, to);
  DieIf(chosen, "after");
  return result;
}
int rename(const char* from, const char* to) { return NewName("rename", from, to); }
int link(const char* from, const char* to) { return NewName("link", from, to); }

int fdatasync(int fd) {
  const int chosen = IsTheFile("fdatasync", fd);
  DieIf(chosen, "before");
  const int result = ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
  DieIf(chosen, "after");
  return result;
}

static ssize_t Write(const char* name, int fd, const void* bytes, size_t size, off_t offset) {
  const int chosen = IsTheFile("pwrite", fd);
  DieIf(chosen, "before");
  const ssize_t result = ((ssize_t (*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, name))(fd, bytes, size, offset);
  DieIf(chosen, "after");
  return result;
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) { return Write("pwrite", fd, bytes, size, offset); }
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t offset) { return Write("pwrite64", fd, bytes, size, offset); }
