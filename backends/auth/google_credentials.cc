// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/google_credentials.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "backends/auth/auth_io.h"
#include "backends/auth/google_sources.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;

// What is left when nothing is configured; its failure tells what would have been taken.
class LastResort : public TokenSource {
 public:
  LastResort(TokenSourcePtr metadata, std::string well_known)
      : metadata_(std::move(metadata)), well_known_(std::move(well_known)) {}
  std::string name() const override { return metadata_->name(); }
  Result<AccessToken> Fetch(const OpContext& ctx) override {
    Result<AccessToken> token = metadata_->Fetch(ctx);
    if (token.ok() || !token.status().Is(StatusCode::kNotFound)) return token;
    return Status::Unauthenticated(
        "no credentials for Google Cloud Storage: no token, service account or application credentials are set "
        "(google_storage_token, google_bearer_token, google_service_account, google_service_account_key, "
        "google_application_credentials); " +
        (well_known_.empty() ? std::string("HOME is not set") : "'" + well_known_ + "' is not there") +
        "; metadata server: " + token.status().message());
  }

 private:
  const TokenSourcePtr metadata_;
  const std::string well_known_;
};

std::string Variable(const GoogleAuthOptions& options, const char* name) {
  const auto it = options.environment.find(name);
  return it == options.environment.end() ? std::string() : it->second;
}

std::string WellKnownFile(const GoogleAuthOptions& options) {
  if (const std::string config = Variable(options, "CLOUDSDK_CONFIG"); !config.empty()) {
    return config + "/application_default_credentials.json";
  }
  const std::string home = Variable(options, "HOME");
  return home.empty() ? "" : home + "/.config/gcloud/application_default_credentials.json";
}

std::string ExpandHome(const std::string& path, const GoogleAuthOptions& options) {
  const std::string home = Variable(options, "HOME");
  return home.empty() || !path.starts_with("~/") ? path : home + path.substr(1);
}

Result<Json> ParseObject(std::string_view text, const std::string& where) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Status::InvalidArgument(where + " is not a JSON object");
  return json;
}

Result<Json> ReadObject(const std::string& path) {
  const Result<std::string> text = ReadSmallFile(path);
  if (!text.ok()) {
    return Status(text.status().Is(StatusCode::kNotFound) ? StatusCode::kNotFound : StatusCode::kInvalidArgument,
                  text.status().message());
  }
  return ParseObject(*text, "'" + path + "'");
}

GoogleCredentials Tokens(std::shared_ptr<TokenProvider> tokens) { return {std::move(tokens), ""}; }

Result<GoogleCredentials> StaticToken(const std::string& text, const char* option) {
  // The store refuses a wrong token; a text that is none would break the request itself.
  if (!IsTokenText(text)) return Status::InvalidArgument(std::string("the option '") + option + "' is not a token");
  return Tokens(MakeStaticToken(text));
}

Result<GoogleCredentials> FromFile(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  GoogleCredentials out;
  out.base_url = OptionalText(file, "gcs_base_url");
  if (const auto it = file.find("disable_oauth"); it != file.end() && it->is_boolean() && it->get<bool>()) return out;
  LANCEFS_ASSIGN_OR_RETURN(TokenSourcePtr source, MakeGoogleFileSource(file, where, options));
  out.tokens = MakeCachedToken(std::move(source));
  return out;
}

Result<GoogleCredentials> FromServiceAccount(const GoogleAuthOptions& options) {
  if (!options.service_account_path.empty() && !options.service_account_key.empty()) {
    return Status::InvalidArgument("google_service_account and google_service_account_key are both set: one of them is enough");
  }
  if (!options.service_account_key.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(const Json file, ParseObject(options.service_account_key, "google_service_account_key"));
    return FromFile(file, "google_service_account_key", options);
  }
  const std::string path = ExpandHome(options.service_account_path, options);
  Result<Json> file = ReadObject(path);
  if (!file.ok()) return Status::InvalidArgument("google_service_account: " + file.status().message());
  return FromFile(*file, "'" + path + "'", options);
}

}  // namespace

Result<GoogleCredentials> MakeGoogleCredentials(const GoogleAuthOptions& options) {
  if (!options.storage_token.empty()) return StaticToken(options.storage_token, "google_storage_token");
  const bool service_account = !options.service_account_path.empty() || !options.service_account_key.empty();
  std::optional<Json> named;
  const std::string named_path = ExpandHome(options.application_credentials, options);
  if (!named_path.empty() && !service_account) {
    Result<Json> file = ReadObject(named_path);
    // A token beats a file that is missing, as it beats one that is there.
    if (!file.ok() && options.bearer_token.empty()) {
      return Status::InvalidArgument("google_application_credentials: " + file.status().message());
    }
    if (file.ok()) named = *std::move(file);
    if (named && OptionalText(*named, "type") == "external_account") return FromFile(*named, "'" + named_path + "'", options);
  }
  if (!options.bearer_token.empty()) return StaticToken(options.bearer_token, "google_bearer_token");
  if (service_account) return FromServiceAccount(options);
  if (named) return FromFile(*named, "'" + named_path + "'", options);
  const std::string well_known = WellKnownFile(options);
  if (!well_known.empty()) {
    Result<Json> file = ReadObject(well_known);
    if (file.ok()) return FromFile(*file, "'" + well_known + "'", options);
    if (!file.status().Is(StatusCode::kNotFound)) return file.status();
  }
  return Tokens(MakeCachedToken(std::make_unique<LastResort>(MakeGoogleMetadataSource(options), well_known)));
}

}  // namespace lancefs
