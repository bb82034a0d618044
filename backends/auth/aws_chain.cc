// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_chain.h"

#include <algorithm>

#include "backends/auth/aws_process.h"
#include "backends/auth/aws_sso.h"
#include "backends/auth/aws_sts.h"
#include "backends/auth/credential_cache.h"

namespace lancefs {
namespace {

constexpr auto kProcessTimeout = std::chrono::seconds(60);
constexpr auto kRenewAhead = std::chrono::seconds(60);

class EnvironmentSource : public AwsCredentialSource {
 public:
  explicit EnvironmentSource(AwsContextPtr context) : context_(std::move(context)) {}
  std::string name() const override { return "environment"; }
  Result<AwsCredentials> Fetch(const OpContext&) override {
    AwsCredentials out;
    out.access_key_id = context_->Variable("AWS_ACCESS_KEY_ID");
    out.secret_access_key = context_->Variable("AWS_SECRET_ACCESS_KEY");
    if (out.secret_access_key.empty()) out.secret_access_key = context_->Variable("SECRET_ACCESS_KEY");
    out.session_token = context_->Variable("AWS_SESSION_TOKEN");
    if (out.access_key_id.empty()) return Status::NotFound("AWS_ACCESS_KEY_ID is not set");
    if (out.secret_access_key.empty()) return Status::NotFound("AWS_SECRET_ACCESS_KEY is not set");
    return out;
  }

 private:
  const AwsContextPtr context_;
};

// ---- Profiles ---------------------------------------------------------------------------------

// One walk from a profile to where its credentials come from.
class ProfileWalk {
 public:
  ProfileWalk(AwsContextPtr context, const AwsProfiles& profiles, std::shared_ptr<AwsInstanceMetadata> metadata,
              SsoRenewals* renewals)
      : context_(std::move(context)), profiles_(profiles), metadata_(std::move(metadata)), renewals_(renewals) {}

  Result<AwsCredentials> Fetch(std::string profile, const OpContext& ctx) {
    std::vector<std::string> visited;
    std::vector<AwsRole> roles;  // the last one is assumed first
    while (true) {
      if (!profiles_.profiles.contains(profile)) return Missing(profile, visited);
      const bool again = std::find(visited.begin(), visited.end(), profile) != visited.end();
      visited.push_back(profile);
      if (again) return Loop(visited);
      // A role's source with keys of its own is the end, whatever else it says.
      if (visited.size() > 1 && HasKeys(profile)) break;
      const std::string role = Get(profile, "role_arn");
      if (role.empty() || !Get(profile, "web_identity_token_file").empty()) break;
      const std::string source = Get(profile, "source_profile");
      const bool named = !Get(profile, "credential_source").empty();
      if (source.empty() == !named) {
        return Bad(profile, "role_arn needs either source_profile or credential_source" +
                                std::string(named ? ", not both" : ", but has neither"));
      }
      roles.push_back({role, Get(profile, "role_session_name"), Get(profile, "external_id")});
      if (named || source == profile) break;
      profile = source;
    }
    const bool keys = visited.size() > 1 && HasKeys(profile);
    LANCEFS_ASSIGN_OR_RETURN(AwsCredentials credentials, keys ? Keys(profile) : Base(profile, ctx));
    for (auto role = roles.rbegin(); role != roles.rend(); ++role) {
      LANCEFS_ASSIGN_OR_RETURN(credentials, AssumeAwsRole(*context_, profiles_, *role, credentials, ctx));
    }
    return std::move(credentials);
  }

 private:
  std::string Get(const std::string& profile, const std::string& property) const { return profiles_.Get(profile, property); }
  static Status Bad(const std::string& profile, const std::string& what) {
    return Status::InvalidArgument("profile '" + profile + "': " + what);
  }

  static Status Missing(const std::string& profile, const std::vector<std::string>& visited) {
    if (!visited.empty()) return Bad(visited.back(), "its source_profile '" + profile + "' does not exist");
    return Status::NotFound("there is no profile '" + profile + "'");
  }
  static Status Loop(const std::vector<std::string>& visited) {
    std::string text = "its source_profile leads back to itself: ";
    for (size_t i = 0; i < visited.size(); ++i) text += (i == 0 ? "" : " -> ") + visited[i];
    return Bad(visited.front(), text);
  }

  bool HasKeys(const std::string& profile) const {
    return !Get(profile, "aws_access_key_id").empty() && !Get(profile, "aws_secret_access_key").empty();
  }

  Result<AwsCredentials> Keys(const std::string& profile) const {
    AwsCredentials out;
    out.access_key_id = Get(profile, "aws_access_key_id");
    out.secret_access_key = Get(profile, "aws_secret_access_key");
    out.session_token = Get(profile, "aws_session_token");
    if (out.access_key_id.empty() && out.secret_access_key.empty()) {
      return Status::NotFound("profile '" + profile + "' has no credentials");
    }
    if (out.access_key_id.empty()) return Bad(profile, "aws_access_key_id is missing");
    if (out.secret_access_key.empty()) return Bad(profile, "aws_secret_access_key is missing");
    return out;
  }

  Result<AwsCredentials> Base(const std::string& profile, const OpContext& ctx) {
    if (const std::string source = Get(profile, "credential_source"); !source.empty()) return Named(profile, source, ctx);
    if (const std::string file = Get(profile, "web_identity_token_file"); !file.empty()) {
      const AwsRole role{Get(profile, "role_arn"), Get(profile, "role_session_name"), ""};
      return MakeWebIdentitySource(context_, file, role)->Fetch(ctx);
    }
    for (const char* property : {"sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "sso_region"}) {
      if (!Get(profile, property).empty()) return Sso(profile, ctx);
    }
    if (const std::string command = Get(profile, "credential_process"); !command.empty()) {
      return CredentialsFromProcess(command, kProcessTimeout, ctx);
    }
    if (!HasKeys(profile) && !Get(profile, "login_session").empty()) {
      return Status::NotSupported("profile '" + profile +
                                  "': login_session is not supported; use sso_session or credential_process");
    }
    return Keys(profile);
  }

  Result<AwsCredentials> Named(const std::string& profile, const std::string& source, const OpContext& ctx) {
    AwsSourcePtr named;
    if (source == "Environment") named = MakeEnvironmentSource(context_);
    if (source == "EcsContainer") named = MakeContainerSource(context_);
    if (source == "Ec2InstanceMetadata") named = MakeInstanceSource(metadata_);
    if (named == nullptr) {
      return Bad(profile, "credential_source must be Environment, EcsContainer or Ec2InstanceMetadata, not '" + source + "'");
    }
    Result<AwsCredentials> credentials = named->Fetch(ctx);
    if (credentials.ok()) return credentials;
    // The profile asks for it: not set up is an error here.
    const bool missing = credentials.status().Is(StatusCode::kNotFound);
    const Status status = missing ? Status::Unauthenticated(credentials.status().message()) : credentials.status();
    return status.WithContext("profile '" + profile + "', credential_source " + source);
  }

  Result<AwsCredentials> Sso(const std::string& profile, const OpContext& ctx) {
    SsoSettings settings{Get(profile, "sso_session"), Get(profile, "sso_start_url"), Get(profile, "sso_region"),
                         Get(profile, "sso_account_id"), Get(profile, "sso_role_name")};
    if (!settings.session.empty()) {
      if (!settings.start_url.empty() || !settings.region.empty()) {
        return Bad(profile, "with sso_session, sso_start_url and sso_region belong into the [sso-session] section");
      }
      const auto session = profiles_.sso_sessions.find(settings.session);
      if (session == profiles_.sso_sessions.end()) {
        return Bad(profile, "there is no section [sso-session " + settings.session + "]");
      }
      auto find = [&session](const char* name) {
        const auto it = session->second.find(name);
        return it == session->second.end() ? std::string() : it->second;
      };
      settings.start_url = find("sso_start_url");
      settings.region = find("sso_region");
    }
    if (settings.region.empty()) return Bad(profile, "sso_region is missing");
    if (settings.start_url.empty()) return Bad(profile, "sso_start_url is missing");
    if (settings.account_id.empty()) return Bad(profile, "sso_account_id is missing");
    if (settings.role_name.empty()) return Bad(profile, "sso_role_name is missing");
    return FetchSsoCredentials(*context_, profiles_, settings, renewals_, ctx);
  }

  const AwsContextPtr context_;
  const AwsProfiles& profiles_;
  const std::shared_ptr<AwsInstanceMetadata> metadata_;
  SsoRenewals* const renewals_;
};

class ProfileSource : public AwsCredentialSource {
 public:
  ProfileSource(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata)
      : context_(std::move(context)), metadata_(std::move(metadata)) {}
  std::string name() const override { return "profile"; }
  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const AwsProfiles profiles, LoadAwsProfiles(*context_));
    return ProfileWalk(context_, profiles, metadata_, &renewals_).Fetch(SelectedAwsProfile(*context_), ctx);
  }

 private:
  const AwsContextPtr context_;
  const std::shared_ptr<AwsInstanceMetadata> metadata_;
  SsoRenewals renewals_;
};

// ---- Chain ------------------------------------------------------------------------------------

class SourceChain : public AwsCredentialSource {
 public:
  explicit SourceChain(std::vector<AwsSourcePtr> sources) : sources_(std::move(sources)) {}
  std::string name() const override { return "default chain"; }
  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    std::string tried;
    for (const AwsSourcePtr& source : sources_) {
      Result<AwsCredentials> credentials = source->Fetch(ctx);
      if (credentials.ok()) return credentials;
      if (!credentials.status().Is(StatusCode::kNotFound))
        return credentials.status().WithContext("AWS credentials from " + source->name());
      tried += (tried.empty() ? "" : "; ") + source->name() + ": " + credentials.status().message();
    }
    return Status::Unauthenticated(
        "no AWS credentials found (" + tried +
        "); give aws_access_key_id and aws_secret_access_key in the environment or an options file, or "
        "aws_skip_signature=true for a public bucket");
  }

 private:
  const std::vector<AwsSourcePtr> sources_;
};

// ---- Cache ------------------------------------------------------------------------------------

class CachedAwsCredentials : public AwsCredentialProvider {
 public:
  CachedAwsCredentials(std::shared_ptr<AwsCredentialSource> source, Executor* fetch_in)
      : cache_(std::make_shared<CredentialCache<AwsCredentials>>([source](const OpContext& ctx) { return source->Fetch(ctx); },
                                                                 [](const AwsCredentials&) { return kRenewAhead; }, fetch_in)) {}
  Future<AwsCredentialsPtr> Get(const OpContext&) override { return cache_->Get(); }
  bool Invalidate(const AwsCredentialsPtr& credentials) override { return cache_->Invalidate(credentials); }

 private:
  const std::shared_ptr<CredentialCache<AwsCredentials>> cache_;
};

}  // namespace

AwsSourcePtr MakeEnvironmentSource(AwsContextPtr context) { return std::make_unique<EnvironmentSource>(std::move(context)); }

AwsSourcePtr MakeProfileSource(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata) {
  return std::make_unique<ProfileSource>(std::move(context), std::move(metadata));
}

AwsSourcePtr MakeSourceChain(std::vector<AwsSourcePtr> sources) { return std::make_unique<SourceChain>(std::move(sources)); }

AwsSourcePtr MakeDefaultAwsSource(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata) {
  std::vector<AwsSourcePtr> sources;
  sources.push_back(MakeEnvironmentSource(context));
  sources.push_back(MakeProfileSource(context, metadata));
  sources.push_back(MakeWebIdentitySource(context));
  sources.push_back(MakeContainerSource(context));
  sources.push_back(MakeInstanceSource(std::move(metadata)));
  return MakeSourceChain(std::move(sources));
}

std::shared_ptr<AwsCredentialProvider> MakeCachedAwsCredentials(AwsSourcePtr source, Executor* fetch_in) {
  return std::make_shared<CachedAwsCredentials>(std::shared_ptr<AwsCredentialSource>(std::move(source)), fetch_in);
}

}  // namespace lancefs
