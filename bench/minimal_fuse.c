// SPDX-License-Identifier: Apache-2.0
// The least that a FUSE server can do: one file "/f" of SIZE MiB out of memory, through libfuse's low-level interface.
// What raw files are measured against. minimal_fuse SIZE_MIB MOUNTPOINT
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char* data;
static size_t size;

static void FillStat(fuse_ino_t ino, struct stat* st) {
  memset(st, 0, sizeof(*st));
  st->st_ino = ino;
  st->st_mode = ino == 1 ? S_IFDIR | 0555 : S_IFREG | 0444;
  st->st_nlink = 1;
  st->st_size = ino == 1 ? 0 : (off_t)size;
  st->st_blksize = 1 << 20;
}

static void OnInit(void* unused, struct fuse_conn_info* conn) {
  (void)unused;
  conn->max_readahead = 4 << 20;
  conn->max_write = 1 << 20;
}

static void OnLookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  struct fuse_entry_param entry;
  memset(&entry, 0, sizeof(entry));
  if (parent != 1 || strcmp(name, "f") != 0) {
    fuse_reply_err(req, ENOENT);
    return;
  }
  entry.ino = 2;
  entry.attr_timeout = entry.entry_timeout = 3600;
  FillStat(2, &entry.attr);
  fuse_reply_entry(req, &entry);
}

static void OnGetAttr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  (void)info;
  struct stat st;
  FillStat(ino, &st);
  fuse_reply_attr(req, &st, 3600);
}

static void OnOpen(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  (void)ino;
  info->keep_cache = 1;
  fuse_reply_open(req, info);
}

static void OnRead(fuse_req_t req, fuse_ino_t ino, size_t length, off_t offset, struct fuse_file_info* info) {
  (void)ino;
  (void)info;
  if ((size_t)offset >= size) length = 0;
  else if (length > size - (size_t)offset) length = size - (size_t)offset;
  fuse_reply_buf(req, data + offset, length);
}

static const struct fuse_lowlevel_ops kOps = {.init = OnInit, .lookup = OnLookup, .getattr = OnGetAttr, .open = OnOpen, .read = OnRead};

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: minimal_fuse SIZE_MIB MOUNTPOINT\n");
    return 2;
  }
  size = strtoull(argv[1], NULL, 10) << 20;
  data = malloc(size);
  if (data == NULL) return 1;
  for (size_t i = 0; i < size; ++i) data[i] = (char)(i * 2654435761u >> 13);
  char* words[] = {argv[0], NULL};
  struct fuse_args args = FUSE_ARGS_INIT(1, words);
  struct fuse_session* session = fuse_session_new(&args, &kOps, sizeof(kOps), NULL);
  if (session == NULL || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[2]) != 0) return 1;
  struct fuse_loop_config* config = fuse_loop_cfg_create();
  const int status = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return status == 0 ? 0 : 1;
}
