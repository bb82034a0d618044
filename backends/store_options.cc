// SPDX-License-Identifier: Apache-2.0
#include "backends/store_options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "backends/option_catalog.h"
#include "base/ascii.h"

namespace lancefs {
namespace {

// Seconds of a unit, or 0.
double UnitSeconds(std::string_view unit) {
  static const std::map<std::string_view, double> units = {
      {"nsec", 1e-9},  {"ns", 1e-9},   {"usec", 1e-6},  {"us", 1e-6},      {"msec", 1e-3},   {"ms", 1e-3},   {"seconds", 1},
      {"second", 1},   {"secs", 1},    {"sec", 1},      {"s", 1},          {"minutes", 60},  {"minute", 60}, {"mins", 60},
      {"min", 60},     {"m", 60},      {"hours", 3600}, {"hour", 3600},    {"hrs", 3600},    {"hr", 3600},   {"h", 3600},
      {"days", 86400}, {"day", 86400}, {"d", 86400},    {"weeks", 604800}, {"week", 604800}, {"w", 604800},
  };
  const auto it = units.find(unit);
  return it == units.end() ? 0 : it->second;
}

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return environment;
}

const std::string* OptionReader::FindEnvironment(const std::string& name) const {
  const auto it = environment_.find(name);
  return it == environment_.end() ? nullptr : &it->second;
}

std::optional<std::string> OptionReader::FindOption(std::string_view canonical,
                                                    const std::vector<std::string_view>& aliases) const {
  const std::string* best = nullptr;
  int best_rank = 3;
  for (const auto& [spelling, value] : options_) {  // sorted: the first of a rank is the smallest
    const std::string lower = NormalOptionKey(spelling);
    int rank = 3;
    if (spelling == canonical) {
      rank = 0;
    } else if (lower == canonical) {
      rank = 1;
    } else if (std::find(aliases.begin(), aliases.end(), lower) != aliases.end()) {
      rank = 2;
    }
    if (rank < best_rank) {
      best = &value;
      best_rank = rank;
    }
  }
  return best == nullptr ? std::nullopt : std::optional<std::string>(*best);
}

std::optional<std::string> OptionReader::Get(std::string_view canonical, const std::vector<std::string_view>& aliases) const {
  if (auto option = FindOption(canonical, aliases)) return option;
  std::vector<std::string> names = {AsciiUpper(canonical)};
  for (const std::string_view alias : aliases) {
    if (alias.starts_with(prefix_)) names.push_back(AsciiUpper(alias));
  }
  std::sort(names.begin() + 1, names.end());
  for (const std::string& name : names) {
    if (const std::string* value = FindEnvironment(name)) return *value;
  }
  return std::nullopt;
}

std::optional<std::string> OptionReader::GetClient(std::string_view name) const {
  const std::string prefixed = prefix_ + std::string(name);
  if (auto option = FindOption(name, {prefixed})) return option;
  if (prefix_ == "azure_" && name == "allow_http") {
    if (auto option = Get("azure_storage_allow_http", {"azure_storage_use_http"})) return option;
  }
  // The prefixed name is the more specific one.
  if (const std::string* value = FindEnvironment(AsciiUpper(prefixed))) return *value;
  if (const std::string* value = FindEnvironment(AsciiUpper(name))) return *value;
  return std::nullopt;
}

std::optional<std::string> OptionReader::GetLance(std::string_view name) const {
  if (auto option = FindOption(name, {})) return option;
  if (const std::string* value = FindEnvironment(AsciiUpper(name))) return *value;
  return std::nullopt;
}

HttpHeaders OptionReader::DefaultHeaders() const {
  HttpHeaders headers;
  for (const auto& [key, value] : options_) {
    if (NormalOptionKey(key).starts_with("headers.") && key.size() > 8) headers.emplace_back(key.substr(8), value);
  }
  return headers;
}

Result<bool> ParseBool(std::string_view key, std::string_view value) {
  const std::string lower = AsciiLower(value);
  for (const char* word : {"1", "true", "on", "yes", "y"}) {
    if (lower == word) return true;
  }
  for (const char* word : {"0", "false", "off", "no", "n"}) {
    if (lower == word) return false;
  }
  return Status::InvalidArgument("the option '" + std::string(key) + "' must be true or false");
}

Result<uint64_t> ParseCount(std::string_view key, std::string_view value) {
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size()) {
    return Status::InvalidArgument("the option '" + std::string(key) + "' must be a number");
  }
  return count;
}

Result<std::chrono::milliseconds> ParseDuration(std::string_view key, std::string_view value) {
  const Status bad =
      Status::InvalidArgument("the option '" + std::string(key) + "' must be a duration such as '30s' or '1m 30s'");
  if (value == "0") return std::chrono::milliseconds(0);
  double seconds = 0;
  bool any = false;
  size_t at = 0;
  auto skip_space = [&] {
    while (at < value.size() && value[at] == ' ') ++at;
  };
  for (skip_space(); at < value.size(); skip_space()) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data() + at, value.data() + value.size(), number);
    if (error != std::errc()) return bad;
    at = static_cast<size_t>(end - value.data());
    skip_space();
    const size_t start = at;
    while (at < value.size() && std::isalpha(static_cast<unsigned char>(value[at]))) ++at;
    const double unit = UnitSeconds(value.substr(start, at - start));
    if (unit == 0) return bad;
    seconds += unit * static_cast<double>(number);
    any = true;
  }
  if (!any || seconds > 1e9) return bad;
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000 + 0.5));
}

namespace {

// Reads client options into typed fields and keeps the first error.
class ClientFields {
 public:
  explicit ClientFields(const OptionReader& reader) : reader_(reader) {}
  void Bool(const char* key, bool* field) { Take(key, field, ParseBool); }
  void Duration(const char* key, std::chrono::milliseconds* field) { Take(key, field, ParseDuration); }
  void Text(const char* key, std::string* field) {
    if (auto value = reader_.GetClient(key)) *field = *value;
  }
  template <typename T>
  void Take(const char* key, T* field, Result<T> (*parse)(std::string_view, std::string_view)) {
    const auto value = reader_.GetClient(key);
    if (!value) return;
    Result<T> parsed = parse(key, *value);
    if (parsed.ok()) {
      *field = *parsed;
    } else if (status_.ok()) {
      status_ = parsed.status();
    }
  }
  const Status& status() const { return status_; }

 private:
  const OptionReader& reader_;
  Status status_;
};

// Trusted roots come from where OpenSSL and the AWS tools (AWS_CA_BUNDLE) look for them, or from the option.
void TakeCertificates(const OptionReader& reader, HttpConfig* http) {
  if (const std::string* value = reader.FindEnvironment("SSL_CERT_FILE"); value != nullptr) http->ca_file = *value;
  if (const std::string* value = reader.FindEnvironment("SSL_CERT_DIR"); value != nullptr) http->ca_path = *value;
  if (const auto bundle = reader.GetClient("ca_bundle"); bundle && !bundle->empty()) {
    http->ca_file = *bundle;
    http->ca_path.clear();
  }
}

// An error that would name the URL comes from nobody but us, so that no password is shown.
Status CheckProxyUrl(std::string_view url) {
  const Status bad = Status::InvalidArgument(
      "the option 'proxy_url' must be a URL such as http://host:3128, https://host:443 or socks5://user:password@host:1080");
  const size_t scheme_end = url.find("://");
  if (scheme_end != std::string_view::npos) {
    const std::string scheme = AsciiLower(url.substr(0, scheme_end));
    constexpr std::array<std::string_view, 6> kSchemes = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) return bad;
    url.remove_prefix(scheme_end + 3);
  }
  const size_t at = url.rfind('@');
  const std::string_view host = at == std::string_view::npos ? url : url.substr(at + 1);
  const bool odd = std::any_of(url.begin(), url.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
  if (odd || host.empty() || host.front() == ':' || host.front() == '/') return bad;
  const size_t colon = host.front() == '[' ? host.find("]:") : host.find(':');
  if (colon == std::string_view::npos) return Status::OK();
  std::string_view port = host.substr(host.find(':', colon) + 1);
  if (port.ends_with('/')) port.remove_suffix(1);
  const bool digits =
      !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c); });
  return digits ? Status::OK() : bad;
}

// PEM in one line has "\n" written out.
Result<std::string> ParsePem(std::string_view key, std::string_view value) {
  std::string pem(value);
  for (size_t at = 0; (at = pem.find("\\n", at)) != std::string::npos; ++at) pem.replace(at, 2, 1, '\n');
  if (!pem.empty() && pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return Status::InvalidArgument("the option '" + std::string(key) +
                                   "' must be the text of a PEM certificate (with \\n for line ends), not a file's name");
  }
  return pem;
}

// Without `proxy_url` the variables that all programs know; the lower-case ones are the older and win.
void TakeEnvironmentProxies(const OptionReader& reader, HttpConfig* http) {
  auto first = [&reader](std::initializer_list<const char*> names) -> std::string {
    for (const char* name : names) {
      if (const std::string* value = reader.FindEnvironment(name); value != nullptr && !value->empty()) return *value;
    }
    return "";
  };
  http->http_proxy = first({"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  http->https_proxy = first({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  http->no_proxy = first({"no_proxy", "NO_PROXY"});
}

Status TakeProxy(const OptionReader& reader, ClientFields* fields, HttpConfig* http) {
  TakeEnvironmentProxies(reader, http);
  fields->Text("proxy_url", &http->proxy_url);
  fields->Take("proxy_ca_certificate", &http->proxy_ca_certificate, ParsePem);
  fields->Text("proxy_excludes", &http->proxy_excludes);
  for (const std::string* url : {&http->proxy_url, &http->http_proxy, &http->https_proxy}) {
    if (!url->empty()) LANCEFS_RETURN_NOT_OK(CheckProxyUrl(*url));
  }
  return Status::OK();
}

// What tunes HTTP/2; the checks are those of the reference.
Status TakeHttp2(ClientFields* fields, HttpConfig* http) {
  fields->Bool("http1_only", &http->http1_only);
  fields->Bool("http2_only", &http->http2_only);
  if (http->http2_only) http->http1_only = false;
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  fields->Duration("http2_keep_alive_interval", &interval);
  fields->Duration("http2_keep_alive_timeout", &timeout);
  if (!http->http1_only) {
    http->http2_keep_alive_interval = interval;
    http->http2_keep_alive_timeout = timeout;
  }
  bool while_idle = false;  // TCP probes idle connections in any case
  fields->Bool("http2_keep_alive_while_idle", &while_idle);
  uint64_t frame = 16384;  // libcurl's own
  fields->Take("http2_max_frame_size", &frame, ParseCount);
  if (frame >= 16384 && frame < (1 << 24)) return Status::OK();
  return Status::InvalidArgument("the option 'http2_max_frame_size' must be a number from 16384 to 16777215");
}

}  // namespace

namespace {

// Made for tests: what has fixed hosts can be tried against servers on this machine. Certificates
// are checked for the original name all the same.
void SetTestHosts(const OptionReader& reader, HttpConfig* http) {
  const std::string* value = reader.FindEnvironment("LANCEFS_TEST_CONNECT_TO");
  if (value == nullptr) return;
  for (std::string_view rest = *value; !rest.empty();) {
    const size_t comma = rest.find(',');
    if (comma != 0) http->connect_to.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
}

Status ParseRate(const OptionReader& reader, const char* key, double low, double high, double* rate) {
  const auto value = reader.GetLance(key);
  if (!value) return Status::OK();
  double parsed = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), parsed);
  // Written so that NaN is refused.
  if (error != std::errc() || end != value->data() + value->size() || !(parsed >= low && parsed <= high))
    return Status::InvalidArgument("the option '" + std::string(key) + "' must be a number from " + std::to_string(low) + " to " +
                                   std::to_string(high));
  *rate = parsed;
  return Status::OK();
}

// Never from the environment, where such names may mean anything.
Result<std::optional<uint64_t>> OptionalCount(const OptionReader& reader, const char* key) {
  static const auto* nothing = new Environment;
  const std::optional<std::string> value = reader.WithEnvironment(*nothing).GetLance(key);
  if (!value) return std::optional<uint64_t>();
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t count, ParseCount(key, *value));
  return std::optional<uint64_t>(count);
}

Result<AimdOptions> ParseAimdOptions(const OptionReader& reader) {
  constexpr double kTiny = 0.001;
  constexpr double kHuge = 1e9;
  AimdOptions out;
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_initial_rate", kTiny, kHuge, &out.initial_rate));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_min_rate", kTiny, kHuge, &out.min_rate));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_max_rate", 0, kHuge, &out.max_rate));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_decrease_factor", kTiny, 0.999, &out.decrease_factor));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_additive_increment", kTiny, kHuge, &out.additive_increment));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_burst_capacity", 1, kHuge, &out.burst_capacity));
  double retries = out.max_retries;
  double low = static_cast<double>(out.min_backoff.count());
  double high = static_cast<double>(out.max_backoff.count());
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_max_retries", 0, 1000, &retries));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_min_backoff_ms", 0, kHuge, &low));
  LANCEFS_RETURN_NOT_OK(ParseRate(reader, "lance_aimd_max_backoff_ms", 0, kHuge, &high));
  if (low > high)
    return Status::InvalidArgument("the option 'lance_aimd_min_backoff_ms' is larger than lance_aimd_max_backoff_ms");
  if (out.max_rate > 0 && out.min_rate > out.max_rate)
    return Status::InvalidArgument("the option 'lance_aimd_min_rate' is larger than lance_aimd_max_rate");
  out.max_retries = static_cast<int>(retries);
  out.enabled = out.max_retries > 0;
  out.min_backoff = std::chrono::milliseconds(static_cast<int64_t>(low));
  out.max_backoff = std::chrono::milliseconds(static_cast<int64_t>(high));
  return out;
}

}  // namespace

Result<ClientOptions> ParseClientOptions(const OptionReader& reader) {
  ClientOptions options;
  HttpConfig& http = options.http;
  http.user_agent = "lancefs/" LANCEFS_VERSION;
  ClientFields fields(reader);
  fields.Bool("allow_http", &http.allow_http);
  fields.Bool("allow_invalid_certificates", &http.allow_invalid_certificates);
  fields.Bool("disable_system_certificates", &http.disable_system_certificates);
  fields.Duration("connect_timeout", &http.connect_timeout);
  // Without a `timeout` of their own, requests may take as long as bytes flow: many parallel ones
  // on a slow line would never end within any fixed time.
  fields.Duration("timeout", &http.timeout);
  fields.Duration("read_timeout", &http.read_timeout);
  if (http.read_timeout.count() > 0) http.stall_timeout = std::chrono::milliseconds(0);
  fields.Duration("hedge_delay", &options.hedge_delay);
  fields.Duration("pool_idle_timeout", &http.pool_idle_timeout);
  uint64_t max_idle = SIZE_MAX;
  fields.Take("pool_max_idle_per_host", &max_idle, ParseCount);
  http.max_idle_per_host = max_idle;
  LANCEFS_RETURN_NOT_OK(TakeHttp2(&fields, &http));
  LANCEFS_RETURN_NOT_OK(TakeProxy(reader, &fields, &http));
  fields.Text("user_agent", &http.user_agent);
  fields.Text("default_content_type", &options.default_content_type);
  fields.Bool("randomize_addresses", &http.randomize_addresses);
  if (const std::string* value = reader.FindEnvironment("OBJECT_STORE_CLIENT_MAX_RETRIES")) {
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t count, ParseCount("OBJECT_STORE_CLIENT_MAX_RETRIES", *value));
    options.retry.max_retries = static_cast<int>(std::min<uint64_t>(count, 1000));
  }
  uint64_t retries = static_cast<uint64_t>(options.retry.max_retries);
  fields.Take("client_max_retries", &retries, ParseCount);
  options.retry.max_retries = static_cast<int>(std::min<uint64_t>(retries, 1000));
  uint64_t retry_seconds = 180;
  if (const std::string* value = reader.FindEnvironment("OBJECT_STORE_CLIENT_RETRY_TIMEOUT")) {
    LANCEFS_ASSIGN_OR_RETURN(retry_seconds, ParseCount("OBJECT_STORE_CLIENT_RETRY_TIMEOUT", *value));
  }
  fields.Take("client_retry_timeout", &retry_seconds, ParseCount);
  options.retry.total = std::chrono::seconds(std::min<uint64_t>(retry_seconds, 1000000));
  LANCEFS_RETURN_NOT_OK(fields.status());
  LANCEFS_ASSIGN_OR_RETURN(options.download_retries, OptionalCount(reader, "download_retry_count"));
  LANCEFS_ASSIGN_OR_RETURN(options.block_size, OptionalCount(reader, "block_size"));
  LANCEFS_ASSIGN_OR_RETURN(options.aimd, ParseAimdOptions(reader));
  TakeCertificates(reader, &http);
  SetTestHosts(reader, &http);
  for (auto& [name, value] : reader.DefaultHeaders()) options.default_headers.emplace_back(AsciiLower(name), value);
  return options;
}

}  // namespace lancefs
