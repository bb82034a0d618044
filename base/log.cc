// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <mutex>

namespace lancefs {
namespace {

std::mutex g_mutex;
std::shared_ptr<spdlog::logger> g_logger;  // guarded by g_mutex

std::shared_ptr<spdlog::logger> Logger() {
  std::lock_guard lock(g_mutex);
  if (!g_logger) {
    g_logger = std::make_shared<spdlog::logger>("lancefs", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    g_logger->set_pattern("time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    g_logger->set_level(spdlog::level::warn);
  }
  return g_logger;
}

void Replace(spdlog::sink_ptr sink, const char* pattern) {
  auto fresh = std::make_shared<spdlog::logger>("lancefs", std::move(sink));
  fresh->set_pattern(pattern, spdlog::pattern_time_type::utc);
  fresh->set_level(Logger()->level());
  fresh->flush_on(spdlog::level::info);
  std::lock_guard lock(g_mutex);
  g_logger = std::move(fresh);
}

void AppendValue(std::string* line, std::string_view value) {
  const bool quote = value.empty() || value.find_first_of(" \"=\n\r\t\\") != std::string_view::npos;
  if (!quote) {
    line->append(value);
    return;
  }
  line->push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') line->push_back('\\');
    if (c == '\n') {
      line->append("\\n");
    } else {
      line->push_back(c);
    }
  }
  line->push_back('"');
}

}  // namespace

Status OpenLogFile(const std::string& path) {
  try {
    Replace(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v");
  } catch (const spdlog::spdlog_ex& error) {
    return Status::IoError("cannot open the log file " + path + ": " + error.what());
  }
  return Status::OK();
}

void LogToSyslog() {
  Replace(std::make_shared<spdlog::sinks::syslog_sink_mt>("lancefs", LOG_PID, LOG_DAEMON, false), "level=%l %v");
}

void SetLogLevel(LogLevel level) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                          spdlog::level::err};
  Logger()->set_level(kLevels[static_cast<int>(level)]);
}

Status SetLogLevel(std::string_view level) {
  if (level == "debug")
    SetLogLevel(LogLevel::kDebug);
  else if (level == "info")
    SetLogLevel(LogLevel::kInfo);
  else if (level == "warn")
    SetLogLevel(LogLevel::kWarn);
  else if (level == "error")
    SetLogLevel(LogLevel::kError);
  else
    return Status::InvalidArgument("unknown log level '" + std::string(level) + "'; use debug, info, warn or error");
  return Status::OK();
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                          spdlog::level::err};
  const auto logger = Logger();
  if (!logger->should_log(kLevels[static_cast<int>(level)])) return;
  std::string line = "event=";
  AppendValue(&line, event);
  for (const auto& [key, value] : fields) {
    line.append(" ").append(key).append("=");
    AppendValue(&line, value);
  }
  logger->log(kLevels[static_cast<int>(level)], "{}", line);
}

}  // namespace lancefs
