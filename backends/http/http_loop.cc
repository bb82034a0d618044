// SPDX-License-Identifier: Apache-2.0
#include "backends/http/http_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <thread>

#include "base/ascii.h"
#include "base/log.h"
#include "base/trim.h"

namespace lancefs {
namespace {

// How late a cancel or a passed deadline is noticed while nothing else happens.
constexpr auto kExpiryCheck = std::chrono::milliseconds(10);
constexpr uint64_t kMaxErrorBody = 1 << 20;

std::mutex loops_mutex;
std::map<std::string, HttpLoop*>& Loops() {                   // guarded by loops_mutex
  static auto* loops = new std::map<std::string, HttpLoop*>;  // never destroyed: transfers may run until the process ends
  return *loops;
}

long Milliseconds(std::chrono::milliseconds value) { return static_cast<long>(std::max<int64_t>(1, value.count())); }

std::string FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The named bundle, or the system's where it has no folder of them, and the proxy's certificates.
std::string RootsText(const HttpConfig& config) {
  if (config.proxy_url.empty() || config.proxy_ca_certificate.empty()) return "";
  std::string file = config.ca_file;
  if (file.empty() && config.ca_path.empty() && !config.disable_system_certificates) {
    const curl_version_info_data* version = curl_version_info(CURLVERSION_NOW);
    if (version->age >= CURLVERSION_SEVENTH && version->capath == nullptr && version->cainfo != nullptr) file = version->cainfo;
  }
  if (file.empty()) return config.proxy_ca_certificate + "\n";
  const std::string text = FileText(file);
  // libcurl says what is wrong with a bundle that cannot be read.
  return text.empty() ? "" : text + "\n" + config.proxy_ca_certificate + "\n";
}

// Without the query and without a user, either of which may sign a request in.
std::string UrlForLog(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t at = url.substr(0, url.find('/', scheme + 3)).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, scheme + 3)).append(url.substr(at + 1));
}

// "user:password" of a proxy's URL, as written.
void AddUserOf(const std::string& url, std::vector<std::string>* hidden) {
  const size_t scheme = url.find("://");
  const size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t at = url.rfind('@', url.find('/', start));
  if (at == std::string::npos || at <= start) return;
  hidden->push_back(url.substr(start, at - start));
  const size_t colon = hidden->back().find(':');
  if (colon != std::string::npos && hidden->back().size() > colon + 4) hidden->push_back(hidden->back().substr(colon + 1));
}

}  // namespace

std::shared_ptr<const HttpSetup> MakeHttpSetup(HttpConfig config) {
  auto setup = std::make_shared<HttpSetup>();
  setup->roots_pem = RootsText(config);
  for (const std::string* url : {&config.proxy_url, &config.http_proxy, &config.https_proxy}) AddUserOf(*url, &setup->hidden);
  for (const std::string* text : {&config.ca_file, &config.ca_path, &config.proxy_url, &config.http_proxy, &config.https_proxy,
                                  &config.no_proxy, &config.proxy_excludes, &setup->roots_pem}) {
    setup->pool += std::to_string(text->size()) + ":" + *text;
  }
  for (const std::string& pair : config.connect_to) setup->pool += pair + ";";
  for (const bool flag : {config.allow_invalid_certificates, config.disable_system_certificates, config.http1_only,
                          config.http2_only, config.randomize_addresses}) {
    setup->pool += flag ? '1' : '0';
  }
  for (const int64_t number :
       {static_cast<int64_t>(config.max_idle_per_host), int64_t{config.pool_idle_timeout.count()},
        int64_t{config.http2_keep_alive_interval.count()}, int64_t{config.http2_keep_alive_timeout.count()}}) {
    setup->pool += "," + std::to_string(number);
  }
  setup->config = std::move(config);
  return setup;
}

// ---- One transfer ---------------------------------------------------------------------------

HttpTransfer::HttpTransfer(std::shared_ptr<const HttpSetup> setup, HttpRequest request, OpContext ctx)
    : setup_(std::move(setup)),
      config_(&setup_->config),
      request_(std::move(request)),
      ctx_(std::move(ctx)),
      origin_(UrlOrigin(request_.url)),
      start_at_(request_.delay.count() > 0 ? Clock::now() + request_.delay : Clock::time_point()) {}

HttpTransfer::~HttpTransfer() {
  curl_slist_free_all(header_list_);
  curl_slist_free_all(connect_list_);
}

void HttpTransfer::Configure(CURL* easy, bool keep) {
  keep_ = keep;
  started_ = Clock::now();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  // Signed paths must reach the server as they were signed.
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &HttpTransfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpTransfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  SetMethod(easy);
  for (const auto& [name, value] : request_.headers) {
    // libcurl drops "Name:" without a value unless it is written "Name;".
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    header_list_ = curl_slist_append(header_list_, line.c_str());
  }
  // What libcurl would add by itself and what was not signed.
  for (const char* unwanted : {"Expect:", "Accept:"}) header_list_ = curl_slist_append(header_list_, unwanted);
  const bool has_type = std::any_of(request_.headers.begin(), request_.headers.end(),
                                    [](const auto& header) { return header.first == "content-type"; });
  if (!has_type) header_list_ = curl_slist_append(header_list_, "Content-Type:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_);
  if (!config_->user_agent.empty()) curl_easy_setopt(easy, CURLOPT_USERAGENT, config_->user_agent.c_str());
  SetConnection(easy);
  SetTimes(easy);
  SetProxy(easy);
  SetTls(easy);
}

void HttpTransfer::SetMethod(CURL* easy) {
  const uint64_t size = request_.body_size();
  switch (request_.method) {
    case HttpMethod::kGet: curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); return;
    case HttpMethod::kHead: curl_easy_setopt(easy, CURLOPT_NOBODY, 1L); return;
    case HttpMethod::kDelete:
      if (size == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
        return;
      }
      break;
    case HttpMethod::kPut:
    case HttpMethod::kPost: break;
  }
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, std::string(HttpMethodName(request_.method)).c_str());
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &HttpTransfer::OnRead);
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &HttpTransfer::OnSeek);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
}

void HttpTransfer::SetConnection(CURL* easy) {
  const long version = config_->http2_only   ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                       : config_->http1_only ? CURL_HTTP_VERSION_1_1
                                             : CURL_HTTP_VERSION_2TLS;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
  // libcurl compares whole seconds of idleness, "more than".
  const int64_t idle_seconds = (config_->pool_idle_timeout.count() + 999) / 1000;
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, static_cast<long>(std::max<int64_t>(0, idle_seconds - 1)));
  if (!keep_) curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, config_->randomize_addresses ? 1L : 0L);
  for (const std::string& pair : config_->connect_to) connect_list_ = curl_slist_append(connect_list_, pair.c_str());
  if (connect_list_ != nullptr) curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_list_);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (config_->http2_keep_alive_interval.count() > 0) {
    const long seconds = static_cast<long>((config_->http2_keep_alive_interval.count() + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, seconds);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, seconds);
  }
  if (config_->http2_keep_alive_timeout.count() > 0) {
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &HttpTransfer::OnSocket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, const_cast<HttpTransfer*>(this));
  }
}

int HttpTransfer::OnSocket(void* self, curl_socket_t socket, curlsocktype) {
  const HttpConfig& config = *static_cast<HttpTransfer*>(self)->config_;
  const auto wait = config.http2_keep_alive_interval + config.http2_keep_alive_timeout;
  const unsigned int milliseconds = static_cast<unsigned int>(std::min<int64_t>(wait.count(), INT32_MAX));
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
  return CURL_SOCKOPT_OK;
}

void HttpTransfer::SetTimes(CURL* easy) const {
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(config_->connect_timeout));
  if (config_->timeout.count() > 0) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, Milliseconds(config_->timeout));
  if (config_->stall_timeout.count() > 0) {
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>((config_->stall_timeout.count() + 999) / 1000));
  }
}

void HttpTransfer::SetProxy(CURL* easy) const {
  // Always set: libcurl would look into the environment otherwise, which is none of its business.
  const bool tls = origin_.starts_with("https:");
  const bool own = !config_->proxy_url.empty();
  const std::string& proxy = own ? config_->proxy_url : tls ? config_->https_proxy : config_->http_proxy;
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.c_str());
  std::string excludes = config_->proxy_excludes;
  if (!own && excludes != "*" && !config_->no_proxy.empty())
    excludes = config_->no_proxy + (excludes.empty() || config_->no_proxy == "*" ? "" : "," + excludes);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, excludes.c_str());
}

void HttpTransfer::SetTls(CURL* easy) const {
  if (config_->allow_invalid_certificates) {
    for (const CURLoption option :
         {CURLOPT_SSL_VERIFYPEER, CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYHOST})
      curl_easy_setopt(easy, option, 0L);
  }
  // A named bundle takes the place of the system's certificates.
  if (config_->disable_system_certificates || !config_->ca_file.empty() || !config_->ca_path.empty()) {
    const char* file = config_->ca_file.empty() ? nullptr : config_->ca_file.c_str();
    const char* path = config_->ca_path.empty() ? nullptr : config_->ca_path.c_str();
    for (const CURLoption option : {CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO}) curl_easy_setopt(easy, option, file);
    for (const CURLoption option : {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH}) curl_easy_setopt(easy, option, path);
  }
  if (!setup_->roots_pem.empty()) {
    curl_blob blob{const_cast<char*>(setup_->roots_pem.data()), setup_->roots_pem.size(), CURL_BLOB_NOCOPY};
    for (const CURLoption option : {CURLOPT_CAINFO_BLOB, CURLOPT_PROXY_CAINFO_BLOB}) curl_easy_setopt(easy, option, &blob);
  }
}

bool HttpTransfer::IsSilentFor(std::chrono::milliseconds time, CURL* easy, Clock::time_point now) {
  if (time.count() == 0) return false;
  curl_off_t connected = 0;
  curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
  if (connected == 0) return false;  // the connect timeout's time
  if (last_byte_ == Clock::time_point()) last_byte_ = now;
  return now - last_byte_ > time;
}

bool HttpTransfer::IsSilent(CURL* easy, Clock::time_point now) { return IsSilentFor(config_->read_timeout, easy, now); }

std::function<void()> HttpTransfer::TakeStall(CURL* easy, Clock::time_point now) {
  if (!request_.on_stall || !IsSilentFor(request_.stall_after, easy, now)) return nullptr;
  return std::exchange(request_.on_stall, nullptr);
}

size_t HttpTransfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  static_cast<HttpTransfer*>(self)->TakeHeader(std::string_view(data, size * count));
  return size * count;
}

void HttpTransfer::TakeHeader(std::string_view line) {
  last_byte_ = Clock::now();
  if (line.starts_with("HTTP/")) {
    // A new answer: whatever came before was informational (1xx).
    response_.headers.clear();
    response_.status = 0;
    const size_t space = line.find(' ');
    if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  response_.headers.emplace_back(AsciiLower(line.substr(0, colon)), Trim(line.substr(colon + 1), " \t\n\v\f\r"));
}

size_t HttpTransfer::OnBody(char* data, size_t size, size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->TakeBody(std::string_view(data, size * count)) ? size * count : 0;
}

// Finds the place for the body once its head is known. False when it is too long.
bool HttpTransfer::ReserveBody() {
  body_started_ = true;
  const std::string_view length_text = response_.header("content-length");
  uint64_t length = 0;
  known_size_ = !length_text.empty() &&
                std::from_chars(length_text.data(), length_text.data() + length_text.size(), length).ec == std::errc();
  const bool success = response_.status >= 200 && response_.status < 300;
  if (success && request_.sink.data != nullptr) {
    known_size_ = true;
    to_ = request_.sink.data;
    room_ = request_.sink.size;
    return length <= room_;
  }
  room_ = success ? request_.max_body : kMaxErrorBody;
  if (!known_size_) return true;
  if (length > room_) return false;
  buffer_ = Bytes::Allocate(length, &to_);
  room_ = length;
  return true;
}

bool HttpTransfer::TakeBody(std::string_view data) {
  if (config_->read_timeout.count() > 0 || request_.on_stall) last_byte_ = Clock::now();
  try {
    if ((!body_started_ && !ReserveBody()) || data.size() > room_ - received_) {
      too_long_ = true;
      return false;
    }
    if (known_size_) {
      std::memcpy(to_ + received_, data.data(), data.size());
    } else {
      growing_.append(data);
    }
  } catch (const std::bad_alloc&) {
    too_long_ = true;
    return false;
  }
  received_ += data.size();
  return true;
}

size_t HttpTransfer::OnRead(char* to, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  const auto& body = transfer->request_.body;
  size_t done = 0;
  while (done < size * count && transfer->send_part_ < body.size()) {
    const Bytes& part = body[transfer->send_part_];
    const size_t length = std::min(size * count - done, part.size() - transfer->send_offset_);
    if (length > 0) std::memcpy(to + done, part.data() + transfer->send_offset_, length);
    done += length;
    transfer->send_offset_ += length;
    if (transfer->send_offset_ == part.size()) {
      ++transfer->send_part_;
      transfer->send_offset_ = 0;
    }
  }
  transfer->sent_ += done;
  transfer->last_byte_ = Clock::now();
  return done;
}

// libcurl rewinds to send again on a fresh connection after a kept-alive one died. It cannot know
// whether the server has applied the request, so only idempotent ones may.
int HttpTransfer::OnSeek(void* self, curl_off_t offset, int origin) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  if (!transfer->request_.idempotent && transfer->sent_ > 0) return CURL_SEEKFUNC_FAIL;
  transfer->send_part_ = 0;
  transfer->send_offset_ = 0;
  transfer->sent_ = 0;
  return CURL_SEEKFUNC_OK;
}

// Nothing reached the server when the proxy did not let us through; where it refused our name, no retry helps.
bool HttpTransfer::IsProxyFailure(CURL* easy, CURLcode code) {
  long connect_status = 0;
  long proxy_error = 0;
  curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  curl_easy_getinfo(easy, CURLINFO_PROXY_ERROR, &proxy_error);
  if (code == CURLE_PROXY) {
    const bool refused = proxy_error == CURLPX_USER_REJECTED || proxy_error == CURLPX_NO_AUTH || proxy_error == CURLPX_IDENTD;
    response_.failure = refused ? HttpFailure::kProtocol : HttpFailure::kConnect;
    return true;
  }
  if (connect_status < 300 || response_.status != 0) return false;
  response_.failure_text = "the proxy refused the connection with status " + std::to_string(connect_status);
  response_.failure = connect_status >= 500 || connect_status == 429 ? HttpFailure::kConnect : HttpFailure::kProtocol;
  return true;
}

void HttpTransfer::ClassifyFailure(CURL* easy, CURLcode code) {
  long request_bytes = 0;
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
  const bool sent = request_bytes > 0;
  response_.failure_text = error_text_[0] != 0 ? error_text_ : curl_easy_strerror(code);
  for (const std::string& secret : setup_->hidden) {
    for (size_t at = 0; (at = response_.failure_text.find(secret, at)) != std::string::npos; at += 3)
      response_.failure_text.replace(at, secret.size(), 3, '*');
  }
  if (IsProxyFailure(easy, code)) return;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: response_.failure = HttpFailure::kConnect; return;
    case CURLE_OPERATION_TIMEDOUT: response_.failure = sent ? HttpFailure::kTimeout : HttpFailure::kConnect; return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT: response_.failure = HttpFailure::kProtocol; return;
    case CURLE_WRITE_ERROR:
      response_.failure = too_long_ ? HttpFailure::kTooLong : HttpFailure::kInterrupted;
      if (too_long_) response_.failure_text = "the answer is longer than expected";
      return;
    default: response_.failure = sent ? HttpFailure::kInterrupted : HttpFailure::kConnect; return;
  }
}

void HttpTransfer::Complete(CURL* easy, CURLcode code) {
  if (code != CURLE_OK) {
    ClassifyFailure(easy, code);
  } else if (!known_size_) {
    response_.body = Bytes::FromString(std::move(growing_));
  } else if (buffer_.owner() != nullptr) {
    response_.body = buffer_.Slice(0, received_);
  } else {
    response_.body = Bytes(request_.sink.owner, to_, received_);
  }
  if (LogEnabled(LogLevel::kDebug)) LogResult();
  promise_.Set(std::move(response_));
}

void HttpTransfer::LogResult() const {
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
  Log(LogLevel::kDebug, "http",
      {{"method", std::string(HttpMethodName(request_.method))},
       {"url", UrlForLog(request_.url)},
       {"status", std::to_string(response_.status)},
       {"sent", std::to_string(sent_)},
       {"received", std::to_string(received_)},
       {"ms", std::to_string(took.count())},
       {"failure", response_.failure_text}});
}

// ---- The loop -------------------------------------------------------------------------------

HttpLoop& HttpLoop::Of(const HttpSetup& setup) {
  static std::once_flag once;
  // Threads do not survive a fork: the child starts loops of its own.
  std::call_once(once, [] {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_atfork([] { loops_mutex.lock(); }, [] { loops_mutex.unlock(); },
                   [] {
                     Loops().clear();
                     loops_mutex.unlock();
                   });
    // Registered behind the TLS library's own handler and so run before it: a transfer must not use
    // the library while it is being taken apart.
    std::atexit(&HttpLoop::StopAllAtExit);
  });
  std::lock_guard lock(loops_mutex);
  HttpLoop*& loop = Loops()[setup.pool];
  if (loop == nullptr) loop = new HttpLoop;
  return *loop;
}

HttpLoop::HttpLoop() : multi_(curl_multi_init()) {
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 256L);
  std::thread([this] { Run(); }).detach();
}

void HttpLoop::Submit(std::unique_ptr<HttpTransfer> transfer) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    wake = submitted_.empty();
    submitted_.push_back(std::move(transfer));
  }
  // The first of a batch wakes the loop, which then takes them all.
  if (wake) curl_multi_wakeup(multi_);
}

void HttpLoop::StopAllAtExit() {
  std::lock_guard lock(loops_mutex);
  for (const auto& [pool, loop] : Loops()) {
    loop->stopping_ = true;
    curl_multi_wakeup(loop->multi_);
  }
  for (const auto& [pool, loop] : Loops()) {
    for (int i = 0; i < 500 && !loop->stopped_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void HttpLoop::Run() {
  pthread_setname_np(pthread_self(), "lancefs-http");
  while (!stopping_) {
    TakeSubmitted();
    StartDue();
    int running = 0;
    curl_multi_perform(multi_, &running);
    FinishDone();
    AbortExpired();
    curl_multi_poll(multi_, nullptr, 0, PollTimeoutMs(), nullptr);
  }
  stopped_ = true;
}

void HttpLoop::TakeSubmitted() {
  std::vector<std::unique_ptr<HttpTransfer>> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(submitted_);
  }
  for (auto& transfer : batch) {
    if (transfer->start_at() != Clock::time_point()) {
      const Clock::time_point at = transfer->start_at();
      delayed_.emplace(at, std::move(transfer));
      continue;
    }
    Host& host = hosts_[transfer->origin()];
    host.waiting.push_back(std::move(transfer));
    StartWaiting(&host);
  }
}

void HttpLoop::StartDue() {
  while (!delayed_.empty() && delayed_.begin()->first <= Clock::now()) {
    std::unique_ptr<HttpTransfer> transfer = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    Host& host = hosts_[transfer->origin()];
    host.waiting.push_back(std::move(transfer));
    StartWaiting(&host);
  }
}

void HttpLoop::StartWaiting(Host* host) {
  while (!host->waiting.empty() && host->running < host->waiting.front()->max_parallel()) {
    std::unique_ptr<HttpTransfer> transfer = std::move(host->waiting.front());
    host->waiting.pop_front();
    if (Status status = transfer->ctx().Check(); !status.ok()) {
      transfer->Fail(std::move(status));
      continue;
    }
    CURL* easy = nullptr;
    if (idle_.empty()) {
      easy = curl_easy_init();
    } else {
      easy = idle_.back();
      idle_.pop_back();
    }
    // With that many that keep theirs no more connections can be left idle: one that is idle is used first.
    transfer->Configure(easy, host->keepers < transfer->max_idle());
    ++host->running;
    host->keepers += transfer->keeps() ? 1 : 0;
    curl_multi_add_handle(multi_, easy);
    running_.emplace(easy, std::move(transfer));
  }
}

void HttpLoop::FinishDone() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    EndTransfer(message->easy_handle, &code, Status::OK());
  }
}

// With `code` the transfer is complete, else it is aborted with `status`.
void HttpLoop::EndTransfer(CURL* easy, const CURLcode* code, Status status) {
  const auto it = running_.find(easy);
  std::unique_ptr<HttpTransfer> transfer = std::move(it->second);
  running_.erase(it);
  curl_multi_remove_handle(multi_, easy);  // an unfinished transfer closes its connection here
  Host& host = hosts_[transfer->origin()];
  --host.running;
  host.keepers -= transfer->keeps() ? 1 : 0;
  StartWaiting(&host);
  if (code != nullptr) {
    transfer->Complete(easy, *code);
  } else {
    transfer->Fail(std::move(status));
  }
  curl_easy_reset(easy);
  if (idle_.size() < 64) {
    idle_.push_back(easy);
  } else {
    curl_easy_cleanup(easy);
  }
}

void HttpLoop::AbortExpired() {
  const Clock::time_point now = Clock::now();
  if (now < next_expiry_check_) return;
  next_expiry_check_ = now + kExpiryCheck;
  std::vector<std::pair<CURL*, Status>> expired;
  for (const auto& [easy, transfer] : running_) {
    if (Status status = transfer->ctx().Check(); !status.ok()) expired.emplace_back(easy, std::move(status));
  }
  for (auto& [easy, status] : expired) EndTransfer(easy, nullptr, std::move(status));
  std::vector<CURL*> silent;
  for (const auto& [easy, transfer] : running_) {
    if (transfer->IsSilent(easy, now)) silent.push_back(easy);
  }
  constexpr CURLcode kTimedOut = CURLE_OPERATION_TIMEDOUT;
  for (CURL* easy : silent) EndTransfer(easy, &kTimedOut, Status::OK());
  for (auto it = delayed_.begin(); it != delayed_.end();) {
    Status status = it->second->ctx().Check();
    if (status.ok()) {
      ++it;
      continue;
    }
    it->second->Fail(std::move(status));
    it = delayed_.erase(it);
  }
  for (auto it = hosts_.begin(); it != hosts_.end();) {
    auto& waiting = it->second.waiting;
    std::erase_if(waiting, [](const std::unique_ptr<HttpTransfer>& transfer) {
      Status status = transfer->ctx().Check();
      if (status.ok()) return false;
      transfer->Fail(std::move(status));
      return true;
    });
    it = waiting.empty() && it->second.running == 0 ? hosts_.erase(it) : std::next(it);
  }
  NoticeStalls(now);
}

void HttpLoop::NoticeStalls(Clock::time_point now) {
  std::vector<std::function<void()>> stalled;
  for (const auto& [easy, transfer] : running_) {
    if (std::function<void()> call = transfer->TakeStall(easy, now)) stalled.push_back(std::move(call));
  }
  for (const auto& call : stalled) call();
}

int HttpLoop::PollTimeoutMs() const {
  if (!running_.empty()) return 20;
  if (delayed_.empty()) return 60000;
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(delayed_.begin()->first - Clock::now()).count() + 1;
  return static_cast<int>(std::clamp<int64_t>(wait, 0, 20));
}

}  // namespace lancefs
