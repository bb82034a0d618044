// SPDX-License-Identifier: Apache-2.0
//
// syscalls HOW IN OUT: copies IN to OUT with one system call, as programs do that trust fstat() or
// the end of file. pread_end prints the last 200 bytes. Exit status 1 and the reason when a call fails.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void Fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static void WriteAll(int out, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(out, data, size);
    if (n < 0) Fail("write");
    data += n;
    size -= (size_t)n;
  }
}

// Until the call says that there is no more, or until `limit` bytes.
static void Send(int in, int out, size_t limit) {
  size_t done = 0;
  while (done < limit) {
    const size_t rest = limit - done;
    const ssize_t n = sendfile(out, in, NULL, rest < 1048576 ? rest : 1048576);
    if (n < 0) Fail("sendfile");
    if (n == 0) break;
    done += (size_t)n;
  }
}

static void CopyRange(int in, int out) {
  ssize_t n;
  while ((n = copy_file_range(in, NULL, out, NULL, 1048576, 0)) > 0) {
  }
  if (n < 0) Fail("copy_file_range");
}

static void Splice(int in, int out) {
  int ends[2];
  if (pipe(ends) != 0) Fail("pipe");
  ssize_t n;
  while ((n = splice(in, NULL, ends[1], NULL, 65536, 0)) > 0) {
    while (n > 0) {
      const ssize_t moved = splice(ends[0], NULL, out, NULL, (size_t)n, 0);
      if (moved <= 0) Fail("splice to the copy");
      n -= moved;
    }
  }
  if (n < 0) Fail("splice");
}

static void PrintEnd(int in, size_t size) {
  char buffer[200];
  const off_t from = size > sizeof(buffer) ? (off_t)(size - sizeof(buffer)) : 0;
  const ssize_t n = pread(in, buffer, sizeof(buffer), from);
  if (n < 0) Fail("pread");
  WriteAll(1, buffer, (size_t)n);
}

static void Map(int in, int out, size_t size, int flags) {
  char* data = mmap(NULL, size, PROT_READ, flags, in, 0);
  if (data == MAP_FAILED) Fail("mmap");
  // Through a buffer: write() from a page that cannot be read would give EFAULT or a short count instead of SIGBUS.
  char* copy = malloc(size);
  if (copy == NULL) Fail("malloc");
  memcpy(copy, data, size);
  WriteAll(out, copy, size);
  free(copy);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s sendfile|sendfile_st|cfr|splice|pread_end|mmap_p|mmap_s IN OUT\n", argv[0]);
    return 2;
  }
  const char* how = argv[1];
  const int in = open(argv[2], O_RDONLY);
  if (in < 0) Fail(argv[2]);
  struct stat st;
  if (fstat(in, &st) != 0) Fail("fstat");
  const size_t size = (size_t)st.st_size;
  if (strcmp(how, "pread_end") == 0) {
    PrintEnd(in, size);
    return 0;
  }
  const int out = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (out < 0) Fail(argv[3]);
  if (strcmp(how, "sendfile") == 0) Send(in, out, (size_t)1 << 40);
  else if (strcmp(how, "sendfile_st") == 0) Send(in, out, size);
  else if (strcmp(how, "cfr") == 0) CopyRange(in, out);
  else if (strcmp(how, "splice") == 0) Splice(in, out);
  else if (strcmp(how, "mmap_p") == 0) Map(in, out, size, MAP_PRIVATE);
  else if (strcmp(how, "mmap_s") == 0) Map(in, out, size, MAP_SHARED);
  else return 2;
  if (close(out) != 0) Fail("close");
  return 0;
}
