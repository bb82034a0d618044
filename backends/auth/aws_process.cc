// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

#include "backends/auth/aws_json.h"

namespace lancefs {
namespace {

constexpr size_t kMaxOutput = 1 << 20;
constexpr size_t kMaxErrors = 500;

struct Pipe {
  int ends[2] = {-1, -1};
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  bool Open() { return ::pipe2(ends, O_CLOEXEC) == 0; }
  void CloseRead() { Close(&ends[0]); }
  void CloseWrite() { Close(&ends[1]); }
  static void Close(int* end) {
    if (*end >= 0) ::close(*end);
    *end = -1;
  }
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// Whether one of `variables` has the name of `entry`.
bool IsAmong(const std::vector<std::string>& variables, std::string_view entry) {
  const std::string_view name = entry.substr(0, entry.find('=') + 1);
  return std::any_of(variables.begin(), variables.end(), [&](const std::string& variable) { return variable.starts_with(name); });
}

// A child process that does not outlive its owner.
class Child {
 public:
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }

  // Returns an errno.
  int Start(const std::vector<std::string>& words, const std::vector<std::string>& variables, const Pipe& output,
            const Pipe& errors) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output.ends[1], 1);
    posix_spawn_file_actions_adddup2(&files, errors.ends[1], 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);  // so that its children can be killed with it
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::vector<char*> arguments = Pointers(words);
    std::vector<char*> environment = Pointers(variables);
    environment.pop_back();
    for (char** entry = ::environ; *entry != nullptr; ++entry) {
      if (!IsAmong(variables, *entry)) environment.push_back(*entry);
    }
    environment.push_back(nullptr);
    const int error = ::posix_spawnp(&pid_, arguments[0], &files, &attributes, arguments.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) pid_ = -1;
    return error;
  }

  // False while it runs.
  bool Ended(int* exit_status) {
    int status = 0;
    const pid_t pid = ::waitpid(pid_, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) return false;
    pid_ = -1;
    *exit_status = pid < 0 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
  }

 private:
  pid_t pid_ = -1;
};

// Reads what is there; false at the end of the stream.
bool ReadSome(int fd, std::string* to) {
  char buffer[4096];
  const ssize_t count = ::read(fd, buffer, sizeof(buffer));
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  to->append(buffer, static_cast<size_t>(count));
  return count > 0;
}

Status ReadOutput(Pipe* output, Pipe* errors, const OpContext& ctx, ProgramResult* result) {
  std::array<pollfd, 2> polled{};
  while (output->ends[0] >= 0 || errors->ends[0] >= 0) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    polled[0] = {output->ends[0], POLLIN, 0};  // a negative descriptor is skipped
    polled[1] = {errors->ends[0], POLLIN, 0};
    if (::poll(polled.data(), polled.size(), 20) < 0 && errno != EINTR) return Status::IoError("cannot wait for a program");
    if (polled[0].revents != 0 && !ReadSome(output->ends[0], &result->output)) output->CloseRead();
    if (polled[1].revents != 0 && !ReadSome(errors->ends[0], &result->errors)) errors->CloseRead();
    if (result->output.size() > kMaxOutput) return Status::TooLarge("the program wrote more than 1 MiB");
    if (result->errors.size() > kMaxErrors) result->errors.resize(kMaxErrors);
  }
  return Status::OK();
}

}  // namespace

Result<std::vector<std::string>> SplitCommand(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    const bool escapes = c == '\\' && quote != '\'' && i + 1 < command.size();
    if (escapes && (quote == 0 || command[i + 1] == '"' || command[i + 1] == '\\')) {
      word += command[++i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return Status::InvalidArgument("a quote is not closed");
  if (in_word) words.push_back(std::move(word));
  if (words.empty() || words[0].empty()) return Status::InvalidArgument("there is no program to run");
  return words;
}

Result<ProgramResult> RunProgram(const std::vector<std::string>& words, std::chrono::milliseconds timeout, const OpContext& ctx,
                                 const std::vector<std::string>& variables) {
  const OpContext limited = ctx.WithTimeout(timeout);
  Pipe output;
  Pipe errors;
  if (!output.Open() || !errors.Open()) return Status::IoError("cannot make a pipe: " + std::generic_category().message(errno));
  Child child;
  if (const int error = child.Start(words, variables, output, errors); error != 0) {
    const std::string text = "cannot run '" + words[0] + "': " + std::generic_category().message(error);
    return error == ENOENT ? Status::NotFound(text) : Status::IoError(text);
  }
  output.CloseWrite();
  errors.CloseWrite();
  ProgramResult result;
  Status status = ReadOutput(&output, &errors, limited, &result);
  while (status.ok() && !child.Ended(&result.exit_status)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    status = limited.Check();
  }
  if (status.Is(StatusCode::kDeadlineExceeded)) {
    return Status::DeadlineExceeded("'" + words[0] + "' did not end within " + std::to_string(timeout.count() / 1000) + " s");
  }
  if (!status.ok()) return status;
  return result;
}

Status ProgramFailed(const std::string& who, int exit_status, std::string_view said) {
  said = TrimSpace(said);
  return Status::Unauthenticated(who + " ended with status " + std::to_string(exit_status) +
                                 (said.empty() ? "" : ": " + std::string(said)));
}

Result<AwsCredentials> CredentialsFromProcess(const std::string& command, std::chrono::milliseconds timeout,
                                              const OpContext& ctx) {
  Result<std::vector<std::string>> words = SplitCommand(command);
  if (!words.ok()) return words.status().WithContext("credential_process");
  const Result<ProgramResult> ran = RunProgram(*words, timeout, ctx);
  // The arguments may be secret: only the program is named.
  const std::string who = "credential_process '" + (*words)[0] + "'";
  if (ran.status().Is(StatusCode::kCancelled)) return ran.status();
  if (!ran.ok()) return Status::Unauthenticated("credential_process: " + ran.status().message());
  if (ran->exit_status != 0) return ProgramFailed(who, ran->exit_status, ran->errors);
  const Result<FlatJson> json = ParseFlatJson(ran->output);
  if (!json.ok()) return Status::Unauthenticated(who + " printed no JSON object");
  const auto version = json->find("version");
  if (version == json->end() || version->second != "1") {
    return Status::Unauthenticated(who + ": the answer's Version is not 1");
  }
  Result<AwsCredentials> credentials = CredentialsFromJson(*json);
  if (!credentials.ok()) return Status::Unauthenticated(who + ": " + credentials.status().message());
  return credentials;
}

}  // namespace lancefs
