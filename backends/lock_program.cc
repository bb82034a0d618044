// SPDX-License-Identifier: Apache-2.0
#include "backends/lock_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace lancefs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxText = 2000;  // of what the program says
constexpr auto kSlice = std::chrono::milliseconds(20);

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { Close(); }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

// Not inherited by other children: one that kept the program's input open would keep the lock.
Result<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Status::ResourceExhausted(std::string("cannot make a pipe: ") + std::strerror(errno));
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// The program may be gone; its reader's end then raises SIGPIPE in the writer, which is of no interest here.
void WriteQuietly(int fd, const std::string& text) {
  sigset_t pipe_signal;
  sigset_t old;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
  const bool failed = ::write(fd, text.data(), text.size()) < 0 && errno == EPIPE;
  if (failed && ::sigismember(&old, SIGPIPE) == 0) {
    const timespec now{0, 0};
    (void)::sigtimedwait(&pipe_signal, nullptr, &now);
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

// A started program, which is ended and waited for in any case.
class Child {
 public:
  ~Child() {
    if (pid_ > 0 && !Wait(std::chrono::milliseconds(0))) Kill();
  }

  Status Start(const std::string& program, const std::vector<std::string>& arguments) {
    LANCEFS_ASSIGN_OR_RETURN(Pipe in, MakePipe());
    LANCEFS_ASSIGN_OR_RETURN(Pipe out, MakePipe());
    LANCEFS_ASSIGN_OR_RETURN(Pipe error, MakePipe());
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, error.write.get(), STDERR_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    // A group of its own: Ctrl-C at our terminal must not take the lock from under a commit.
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const int failed = ::posix_spawnp(&pid_, program.c_str(), &actions, &attributes, argv.data(), ::environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
      pid_ = -1;
      return Status::PermissionDenied("the commit lock program " + program + " cannot be started: " + std::strerror(failed));
    }
    in_ = std::move(in.write);
    out_ = std::move(out.read);
    error_ = std::move(error.read);
    ::fcntl(out_.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(error_.get(), F_SETFL, O_NONBLOCK);
    return Status::OK();
  }

  // Waits a moment for output.
  void Pump() {
    pollfd waiting[2] = {{out_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}};
    (void)::poll(waiting, 2, static_cast<int>(kSlice.count()));
    Take(&out_, &output_);
    Take(&error_, &errors_);
    if (out_.get() < 0 && error_.get() < 0) std::this_thread::sleep_for(kSlice);
  }
  // Whether it has ended, after waiting so long for that.
  bool Wait(std::chrono::milliseconds patience) {
    const auto end = Clock::now() + patience;
    while (!ended_) {
      const pid_t got = ::waitpid(pid_, &status_, WNOHANG);
      // Where SIGCHLD is ignored there is nothing to wait for, and nothing is known.
      if (got == pid_ || (got < 0 && errno == ECHILD)) {
        if (got < 0) status_ = 0;
        ended_ = true;
        Take(&out_, &output_);
        Take(&error_, &errors_);
      } else if (Clock::now() >= end) {
        break;
      } else {
        Pump();
      }
    }
    return ended_;
  }
  void Kill() {
    ::kill(-pid_, SIGTERM);
    if (Wait(std::chrono::milliseconds(500))) return;
    ::kill(-pid_, SIGKILL);
    (void)Wait(std::chrono::seconds(5));
  }
  // What it reads next, and then the end.
  void Dismiss(const std::string& line) {
    if (in_.get() >= 0) WriteQuietly(in_.get(), line);
    in_.Close();
  }

  bool SaidLocked() const {
    return output_ == "locked\n" || output_.starts_with("locked\n") || output_.starts_with("locked\r\n");
  }
  bool Succeeded() const { return WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }
  // "ended with status 1: cannot reach the lock server"
  std::string Ending() const {
    std::string text = WIFSIGNALED(status_) ? "was ended by signal " + std::to_string(WTERMSIG(status_))
                                            : "ended with status " + std::to_string(WEXITSTATUS(status_));
    std::string said = errors_;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    return said.empty() ? text : text + ": " + said;
  }

 private:
  static void Take(Descriptor* from, std::string* text) {
    std::array<char, 1024> buffer;
    while (from->get() >= 0) {
      const ssize_t got = ::read(from->get(), buffer.data(), buffer.size());
      if (got > 0) {
        text->append(buffer.data(), std::min(static_cast<size_t>(got), kMaxText - std::min(kMaxText, text->size())));
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        from->Close();
      } else {
        return;
      }
    }
  }

  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  Descriptor in_;
  Descriptor out_;
  Descriptor error_;
  std::string output_;
  std::string errors_;
};

class ProgramLease : public CommitLease {
 public:
  ProgramLease(const LockProgram& options, std::unique_ptr<Child> child) : options_(options), child_(std::move(child)) {}
  ~ProgramLease() override {
    if (child_ != nullptr) (void)Release(false);
  }

  Status Check() override {
    if (child_ != nullptr && !child_->Wait(std::chrono::milliseconds(0))) return Status::OK();
    return Status::Conflict("the commit lock was lost: " + options_.program + " " + (child_ == nullptr ? "" : child_->Ending()));
  }
  Status Release(bool committed) override {
    const std::unique_ptr<Child> child = std::move(child_);
    if (child == nullptr) return Status::OK();
    child->Dismiss(committed ? "committed\n" : "failed\n");
    if (!child->Wait(options_.grace)) {
      child->Kill();
      return Status::IoError("the commit lock program " + options_.program + " did not end and was killed");
    }
    return child->Succeeded() ? Status::OK()
                              : Status::IoError("the commit lock program " + options_.program + " " + child->Ending());
  }

 private:
  const LockProgram options_;
  std::unique_ptr<Child> child_;
};

class ProgramLock : public CommitLock {
 public:
  explicit ProgramLock(LockProgram options) : options_(std::move(options)) {}

  Result<std::unique_ptr<CommitLease>> Acquire(const std::string& directory, uint64_t version, const OpContext& ctx) override {
    const std::string table = options_.root + (directory.empty() ? "" : "/" + directory);
    auto child = std::make_unique<Child>();
    LANCEFS_RETURN_NOT_OK(child->Start(options_.program, {"lock", table, std::to_string(version)}));
    const auto end = Clock::now() + options_.timeout;
    while (true) {
      child->Pump();
      if (child->SaidLocked()) return std::unique_ptr<CommitLease>(std::make_unique<ProgramLease>(options_, std::move(child)));
      if (child->Wait(std::chrono::milliseconds(0))) {
        return Status::PermissionDenied("the commit lock program " + options_.program + " did not give the lock on version " +
                                        std::to_string(version) + " of " + table + ", it " + child->Ending());
      }
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      if (Clock::now() >= end) {
        return Status::Conflict("CommitConflict: the lock on version " + std::to_string(version) + " of " + table +
                                " was not given within " + std::to_string(options_.timeout.count() / 1000) + " s by " +
                                options_.program + "; another writer seems to hold it");
      }
    }
  }

 private:
  const LockProgram options_;
};

}  // namespace

std::shared_ptr<CommitLock> MakeLockProgram(LockProgram options) { return std::make_shared<ProgramLock>(std::move(options)); }

}  // namespace lancefs
