// SPDX-License-Identifier: Apache-2.0
#include "backends/registry.h"

#include <mutex>

#include "backends/azure/azure_options.h"
#include "backends/azure/azure_store.h"
#include "backends/cache_store.h"
#include "backends/coordination.h"
#include "backends/dynamodb/manifest_list.h"
#include "backends/gcs/gcs_options.h"
#include "backends/gcs/gcs_store.h"
#include "backends/local_store.h"
#include "backends/lock_program.h"
#include "backends/memory_store.h"
#include "backends/metered_store.h"
#include "backends/s3/s3_options.h"
#include "backends/s3/s3_store.h"
#include "backends/store_options.h"
#include "base/uri.h"

namespace lancefs {

namespace {

// One store per name for the life of the process: who opens the same URI sees the same objects.
std::shared_ptr<ObjectStore> SharedMemoryStore(const std::string& name) {
  static std::mutex mutex;
  static auto* stores = new std::map<std::string, std::shared_ptr<ObjectStore>>;
  std::lock_guard lock(mutex);
  std::shared_ptr<ObjectStore>& store = (*stores)[name];
  if (store == nullptr) store = MakeMeteredStore(MakeMemoryStore(name));
  return store;
}

Result<OpenedStore> OpenS3(const Uri& uri, const StorageOptions& options) {
  if (!uri.query.empty()) return Status::InvalidArgument("an s3:// URI has no query");
  LANCEFS_ASSIGN_OR_RETURN(S3Options parsed, ParseS3Options(uri.authority, options, ProcessEnvironment()));
  const std::string endpoint = parsed.endpoint;
  return OpenedStore{MakeS3Store(std::move(parsed)), uri.path, uri.ToString(), endpoint};
}

Result<OpenedStore> OpenGcs(const Uri& uri, const StorageOptions& options) {
  if (!uri.query.empty()) return Status::InvalidArgument("a gs:// URI has no query");
  LANCEFS_ASSIGN_OR_RETURN(GcsOptions parsed, ParseGcsOptions(uri.authority, options, ProcessEnvironment()));
  const std::string endpoint = parsed.base_url;
  return OpenedStore{MakeGcsStore(std::move(parsed)), uri.path, uri.ToString(), endpoint};
}

// Where the table of s3+ddb:// is asked; the credentials, the region and the client options are the bucket's.
Result<DynamoDbOptions> DynamoDbFor(const S3Options& s3, const StorageOptions& options, const Environment& environment) {
  DynamoDbOptions out;
  out.region = s3.region;
  out.http = s3.client.http;
  out.credentials = s3.credentials;
  if (out.credentials == nullptr)
    return Status::InvalidArgument("s3+ddb:// needs credentials for its DynamoDB table: unset aws_skip_signature");
  const OptionReader reader(options, environment, "aws_");
  auto endpoint = reader.Get("dynamodb_endpoint", {});
  if (endpoint) out.endpoint = *endpoint;
  const std::string_view text = out.endpoint;
  if (!text.empty() && !text.starts_with("http://") && !text.starts_with("https://"))
    return Status::InvalidArgument("the option 'dynamodb_endpoint' must start with http:// or https://");
  if (text.find_first_of("?#@ ") != std::string_view::npos)
    return Status::InvalidArgument("the option 'dynamodb_endpoint' must be a plain URL without user, query or fragment");
  return out;
}

Result<OpenedStore> OpenAzure(const Uri& uri, const StorageOptions& options) {
  if (!uri.query.empty()) {
    // It may hold the signature of a SAS.
    return Status::InvalidArgument("an " + uri.scheme +
                                   ":// URI has no query; give a SAS token as the option azure_storage_sas_token");
  }
  LANCEFS_ASSIGN_OR_RETURN(AzureOptions parsed, ParseAzureOptions(uri.authority, options, ProcessEnvironment()));
  const std::string endpoint = parsed.endpoint;
  return OpenedStore{MakeAzureStore(std::move(parsed)), uri.path, uri.ToString(), endpoint};
}

Result<OpenedStore> OpenS3WithDynamoDb(const Uri& uri, const StorageOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string table, ParseManifestTable(uri.query));
  const Environment environment = ProcessEnvironment();
  LANCEFS_ASSIGN_OR_RETURN(S3Options parsed, ParseS3Options(uri.authority, options, environment));
  if (parsed.region.empty()) {
    // Every request to the table needs it: looked for here, once for both.
    const OpContext ctx = OpContext().WithTimeout(std::chrono::seconds(20));
    LANCEFS_ASSIGN_OR_RETURN(parsed.region, parsed.find_region->Get(ctx).Get(ctx));
  }
  LANCEFS_ASSIGN_OR_RETURN(DynamoDbOptions dynamodb, DynamoDbFor(parsed, options, environment));
  const std::string endpoint = parsed.endpoint;
  CommitCoordination coordination;
  coordination.manifests = MakeDynamoDbManifestList(std::make_shared<DynamoDbClient>(std::move(dynamodb)), table);
  return OpenedStore{MakeCoordinatedStore(MakeS3Store(std::move(parsed)), std::move(coordination)), uri.path, uri.ToString(),
                     endpoint};
}

Result<OpenedStore> OpenParsed(const Uri& parsed, const StorageOptions& options) {
  if (parsed.scheme == "file") return OpenedStore{MakeMeteredStore(MakeLocalStore(parsed.path)), "", parsed.path};
  if (parsed.scheme == "memory") return OpenedStore{SharedMemoryStore(parsed.authority), parsed.path, parsed.ToString()};
  if (parsed.scheme == "s3") return OpenS3(parsed, options);
  if (parsed.scheme == "s3+ddb") return OpenS3WithDynamoDb(parsed, options);
  if (parsed.scheme == "az" || parsed.scheme == "abfss") return OpenAzure(parsed, options);
  if (parsed.scheme == "gs") return OpenGcs(parsed, options);
  return Status::NotSupported("the scheme '" + parsed.scheme + "' is not supported by this build");
}

// Commits under a lock that a program of the user's keeps, if one is named.
Result<OpenedStore> WithLock(OpenedStore opened, const Uri& uri, const StorageOptions& options) {
  const Environment environment = ProcessEnvironment();
  const OptionReader reader(options, environment, "lancefs_");
  const auto program = reader.Get("lancefs_commit_lock", {"commit_lock", "commit-lock"});
  if (!program || program->empty()) return opened;
  if (uri.scheme == "s3+ddb")
    return Status::InvalidArgument("s3+ddb:// has its own way to commit; the option 'commit-lock' is for others");
  if (program->find('/') != std::string::npos && !program->starts_with('/'))
    return Status::InvalidArgument("the option 'commit-lock' must be an absolute path or a name on PATH, not '" + *program + "'");
  LockProgram lock;
  lock.program = *program;
  lock.root = uri.scheme == "file" ? uri.path : uri.scheme + "://" + uri.authority;
  if (const auto timeout = reader.Get("lancefs_commit_lock_timeout", {"commit_lock_timeout", "commit-lock-timeout"})) {
    LANCEFS_ASSIGN_OR_RETURN(lock.timeout, ParseDuration("commit-lock-timeout", *timeout));
    if (lock.timeout < std::chrono::seconds(30))
      return Status::InvalidArgument("the option 'commit-lock-timeout' must be at least 30s");
  }
  CommitCoordination coordination;
  coordination.lock = MakeLockProgram(std::move(lock));
  opened.store = MakeCoordinatedStore(std::move(opened.store), std::move(coordination));
  return opened;
}

// The folder's cache for the stores to come.
struct ChosenCache {
  std::mutex mutex;
  std::shared_ptr<DiskCache> cache;  // guarded by mutex
};
ChosenCache& Chosen() {
  static auto* chosen = new ChosenCache;
  return *chosen;
}

// Remote stores with what is kept of them.
OpenedStore WithCache(OpenedStore opened, const Uri& uri) {
  if (opened.store->traits().is_local || uri.scheme == "memory") return opened;
  std::shared_ptr<DiskCache> disk;
  {
    std::lock_guard lock(Chosen().mutex);
    disk = Chosen().cache;
  }
  opened.store = MakeCacheStore(opened.store, opened.store->name() + "\n" + opened.endpoint, std::move(disk));
  return opened;
}

}  // namespace

Status UseDiskCache(const std::string& directory, uint64_t max_bytes) {
  DiskCache::Options options;
  options.directory = directory;
  options.max_bytes = max_bytes;
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<DiskCache> cache, DiskCache::Open(std::move(options)));
  std::lock_guard lock(Chosen().mutex);
  Chosen().cache = std::move(cache);
  return Status::OK();
}

Result<OpenedStore> OpenStore(const std::string& uri, const StorageOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(const Uri parsed, ParseUri(uri));
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenParsed(parsed, options));
  return WithLock(WithCache(std::move(opened), parsed), parsed, options);
}

}  // namespace lancefs
