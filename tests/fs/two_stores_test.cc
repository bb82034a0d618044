// SPDX-License-Identifier: Apache-2.0
//
// Two trees of two stores in one process: same bucket, same names, but other servers, keys and rows.
#include <arrow/compute/initialize.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "backends/memory_store.h"
#include "backends/registry.h"
#include "base/uri.h"
#include "engine/write/append_file.h"
#include "fs/filesystem.h"
#include "fs/wait_for_reply.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

// The reading half of S3, over a store in memory, for one access key.
class SmallS3 {
 public:
  explicit SmallS3(std::string key)
      : key_(std::move(key)), server_([this](const Request& request, int) { return Serve(request); }) {}
  const std::shared_ptr<ObjectStore>& objects() const { return objects_; }
  StorageOptions Options() const {
    return {{"aws_endpoint", server_.url()}, {"allow_http", "true"},       {"aws_region", "r-" + key_},
            {"aws_access_key_id", key_},     {"user_agent", "ua-" + key_}, {"aws_secret_access_key", "secret of " + key_}};
  }
  std::vector<Request> log() const { return server_.log(); }

 private:
  static std::string Argument(const std::string& target, const std::string& name) {
    for (size_t at = target.find('?'); at != std::string::npos; at = target.find('&', at + 1)) {
      if (target.compare(at + 1, name.size() + 1, name + "=") != 0) continue;
      const size_t start = at + name.size() + 2;
      return *PercentDecode(target.substr(start, target.find('&', start) - start));
    }
    return "";
  }
  Answer Serve(const Request& request) {
    const auto authorization = request.headers.find("authorization");
    if (authorization == request.headers.end() || authorization->second.find("=" + key_ + "/") == std::string::npos)
      return Answer{403, {}, "<Error><Code>AccessDenied</Code></Error>"};
    const std::string path = *PercentDecode(request.target.substr(0, request.target.find('?')));
    if (request.target.find("list-type=2") != std::string::npos) return List(request.target);
    const Result<Bytes> found = objects_->ReadAll(path.substr(8), OpContext());  // without "/bucket/"
    if (!found.ok()) return Answer{404, {}, "<Error><Code>NoSuchKey</Code></Error>"};
    return Piece(request, std::string(found->view()));
  }
  static Answer Piece(const Request& request, const std::string& content) {
    Answer answer{200, {{"ETag", "\"" + std::to_string(std::hash<std::string>()(content)) + "\""}}, content};
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) return answer;
    const std::string text = range->second.substr(6);
    const size_t dash = text.find('-');
    size_t first = dash == 0 ? content.size() - std::min<size_t>(content.size(), std::stoul(text.substr(1))) : std::stoul(text);
    const size_t last = dash == 0 || dash + 1 == text.size() ? content.size() - 1
                                                             : std::min(content.size() - 1, std::stoul(text.substr(dash + 1)));
    answer.status = 206;
    answer.headers.emplace_back(
        "Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(content.size()));
    answer.body = content.substr(first, last - first + 1);
    return answer;
  }
  Answer List(const std::string& target) {
    ListRequest request;
    request.prefix = Argument(target, "prefix");
    request.start_after = Argument(target, "start-after");
    request.recursive = Argument(target, "delimiter").empty();
    const Result<ListResult> listing = objects_->List(request, OpContext());
    std::string xml = "<ListBucketResult><IsTruncated>false</IsTruncated>";
    for (const ObjectMeta& object : listing->objects) {
      xml += "<Contents><Key>" + object.path + "</Key><Size>" + std::to_string(object.size) +
             "</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"e\"</ETag></Contents>";
    }
    for (const std::string& directory : listing->directories)
      xml += "<CommonPrefixes><Prefix>" + directory + "</Prefix></CommonPrefixes>";
    return Answer{200, {}, xml + "</ListBucketResult>"};
  }

  const std::string key_;
  const std::shared_ptr<ObjectStore> objects_ = MakeMemoryStore("objects");
  LoopbackServer server_;
};

class TwoStores : public testing::Test {
 protected:
  TwoStores() {
    EXPECT_TRUE(arrow::compute::Initialize().ok());
    char name[] = "/tmp/two_stores_XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~TwoStores() override { std::filesystem::remove_all(folder_); }

  void Fill(const SmallS3& server, int rows, const std::string& text) {
    const std::string file = folder_ + "/rows.jsonl";
    {
      std::ofstream out(file);
      for (int i = 0; i < rows; ++i) out << R"({"id": )" << i << R"(, "text": ")" << text << "\"}\n";
    }
    const auto created = CreateFromFile(server.objects(), "t.lance", file, {RowFormat::kJsonl, Compression::kNone}, nullptr,
                                        FileVersion::kV2_2, WriteOptions(), nullptr, OpContext());
    ASSERT_TRUE(created.ok()) << created.status().ToString();
  }

  std::shared_ptr<Filesystem> Open(const StorageOptions& storage, const std::string& state) {
    Result<OpenedStore> opened = OpenStore("s3://bucket/t.lance", storage);
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    FilesystemOptions options;
    options.store = opened->store;
    options.path = opened->path;
    options.uri = opened->uri;
    options.read_only = true;
    options.refresh = std::chrono::milliseconds(0);
    options.state_directory = folder_ + "/" + state;
    std::filesystem::create_directories(options.state_directory);
    auto filesystem = Filesystem::Make(std::move(options), OpContext());
    EXPECT_TRUE(filesystem.ok()) << filesystem.status().ToString();
    return filesystem.ok() ? *filesystem : nullptr;
  }

  static std::string Read(Filesystem* tree, const std::string& name) {
    const OpContext ctx;
    const auto [found, entry] =
        WaitForReply<EntryReply>([&](auto reply) { tree->Lookup(kRootInode, name, Caller(), ctx, reply); });
    if (found != 0 || entry.ino == 0) return "no " + name;
    const uint64_t ino = entry.ino;
    const auto [open, opened] = WaitForReply<OpenReply>([&](auto reply) { tree->Open(ino, O_RDONLY, Caller(), ctx, reply); });
    if (open != 0) return "cannot open " + name;
    const uint64_t handle = opened.handle;
    std::string text;
    for (;;) {
      const auto [error, bytes] =
          WaitForReply<Bytes>([&](auto reply) { tree->Read(ino, handle, text.size(), 1 << 20, Caller(), ctx, reply); });
      if (error != 0) text = "error";
      if (error != 0 || bytes.empty()) break;
      text += bytes.view();
    }
    std::promise<void> done;
    tree->Release(ino, handle, [&done](int) { done.set_value(); });
    done.get_future().wait();
    return text;
  }

  std::string folder_;
};

TEST_F(TwoStores, KeepTheirRowsAndOptionsApart) {
  const SmallS3 one("KEYONE");
  const SmallS3 two("KEYTWO");
  Fill(one, 10, "of one");
  Fill(two, 20, "of two");
  const auto first = Open(one.Options(), "one");
  const auto second = Open(two.Options(), "two");
  ASSERT_TRUE(first && second);
  auto use = [](Filesystem* tree, const std::string& count, const std::string& text, const std::string& other) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(Read(tree, "count"), count);
      const std::string rows = Read(tree, i % 2 == 0 ? "rows.jsonl" : "rows.csv");
      EXPECT_NE(rows.find(text), std::string::npos) << rows;
      EXPECT_EQ(rows.find(other), std::string::npos);
    }
  };
  std::thread beside([&] { use(first.get(), "10\n", "of one", "of two"); });
  use(second.get(), "20\n", "of two", "of one");
  beside.join();
  for (const auto& [server, name] : {std::pair(&one, "KEYONE"), std::pair(&two, "KEYTWO")}) {
    EXPECT_GT(server->log().size(), 5u);
    for (const Request& request : server->log()) {
      EXPECT_EQ(request.headers.at("user-agent"), std::string("ua-") + name);
      EXPECT_NE(request.headers.at("authorization").find(std::string("Credential=") + name + "/"), std::string::npos);
      EXPECT_NE(request.headers.at("authorization").find(std::string("/r-") + name + "/s3/"), std::string::npos);
    }
  }
}

TEST_F(TwoStores, OneThatIsRefusedDoesNotDisturbTheOther) {
  const SmallS3 one("KEYONE");
  Fill(one, 10, "of one");
  StorageOptions wrong = one.Options();
  wrong["aws_access_key_id"] = "NOBODY";
  const auto first = Open(one.Options(), "one");
  ASSERT_TRUE(first);
  for (int i = 0; i < 3; ++i) {
    Result<OpenedStore> opened = OpenStore("s3://bucket/t.lance", wrong);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(Dataset::Open(opened->store, opened->path, OpenOptions(), OpContext()).status().code(),
              StatusCode::kPermissionDenied);
    EXPECT_EQ(Read(first.get(), "count"), "10\n");
  }
}

}  // namespace
}  // namespace lancefs
