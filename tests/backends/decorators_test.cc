// SPDX-License-Identifier: Apache-2.0
//
// The stores that need no server, the decorators, and PlanRanges.
#include <filesystem>

#include "backends/fault_store.h"
#include "backends/local_store.h"
#include "backends/memory_store.h"
#include "backends/metered_store.h"
#include "backends/registry.h"
#include "backends/retry_store.h"
#include "tests/backends/temporary_folder.h"
#include "tests/conformance/object_store_suite.h"

namespace lancefs {
namespace {

// Where the local stores write.
std::string TemporaryRoot() {
  static const TemporaryFolder folder;
  return folder.path();
}

RetryPolicy FastRetries(int retries) {
  RetryPolicy policy;
  policy.max_retries = retries;
  policy.first_delay = std::chrono::milliseconds(1);
  policy.max_delay = std::chrono::milliseconds(5);
  return policy;
}

INSTANTIATE_TEST_SUITE_P(
    Stores, ObjectStoreSuite,
    testing::Values(StoreUnderTest{"Memory", [] { return MakeMemoryStore(); }},
                    StoreUnderTest{"Local", [] { return MakeLocalStore(TemporaryRoot() + "/plain", {.fsync = false}); }},
                    StoreUnderTest{"LocalFsync", [] { return MakeLocalStore(TemporaryRoot() + "/fsync"); }, 50},
                    StoreUnderTest{"Metered", [] { return MakeMeteredStore(MakeMemoryStore()); }},
                    StoreUnderTest{"RetryOverFault",
                                   [] { return MakeRetryStore(std::make_shared<FaultStore>(MakeMemoryStore())); }},
                    StoreUnderTest{"Registered", [] { return OpenStore("memory://suite").MoveValue().store; }}),
    StoreName);

TEST(PlanRanges, HoldsItsPromisesForRandomRanges) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    const uint64_t size = 1 + random() % 5000;
    const uint64_t gap = random() % 3 == 0 ? 0 : random() % 200;
    const uint64_t max_request = 1 + random() % 1000;
    std::vector<ByteRange> wanted;
    for (uint64_t i = random() % 20; i > 0; --i) {
      const uint64_t offset = random() % size;
      wanted.push_back({offset, random() % 5 == 0 ? 0 : random() % (size - offset + 1)});
    }
    const RangePlan plan = PlanRanges(wanted, gap, max_request);
    std::string object(size, '\0');
    for (char& c : object) c = static_cast<char>(random());
    std::vector<Bytes> answers;
    for (size_t i = 0; i < plan.requests.size(); ++i) {
      const ByteRange& request = plan.requests[i];
      ASSERT_GT(request.length, 0u);
      ASSERT_LE(request.length, max_request);
      ASSERT_LE(request.end(), size);
      ASSERT_GE(request.offset, i == 0 ? 0 : plan.requests[i - 1].end()) << "sorted and disjoint";
      answers.push_back(Bytes::FromString(object.substr(request.offset, request.length)));
    }
    const std::vector<Bytes> out = AssembleRanges(plan, answers);
    ASSERT_EQ(out.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(out[i].view(), std::string_view(object).substr(wanted[i].offset, wanted[i].length)) << "round " << round;
    }
  }
}

TEST(PlanRanges, JoinsWhatIsNearAndSplitsWhatIsLong) {
  EXPECT_EQ(PlanRanges({{0, 10}, {15, 10}}, 5, 1000).requests.size(), 1u);
  EXPECT_EQ(PlanRanges({{0, 10}, {16, 10}}, 5, 1000).requests.size(), 2u);
  EXPECT_EQ(PlanRanges({{0, 100}}, 0, 40).requests.size(), 3u);
  // What lies together is split evenly, wherever the borders of the ranges are.
  EXPECT_EQ(PlanRanges({{0, 30}, {30, 30}, {60, 30}, {90, 30}}, 0, 40).requests.size(), 3u);
  EXPECT_EQ(PlanRanges({{0, 0}, {7, 0}}, 5, 1000).requests.size(), 0u);
}

TEST(RetryState, GrowsItsPausesWithinBounds) {
  RetryPolicy policy;
  policy.max_retries = 50;
  policy.first_delay = std::chrono::milliseconds(100);
  policy.max_delay = std::chrono::milliseconds(400);
  policy.total = std::chrono::hours(1);
  RetryState state(policy);
  std::chrono::milliseconds last{0};
  for (int i = 0; i < 50; ++i) {
    const auto delay = state.NextDelay();
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(delay->count(), 100);
    EXPECT_LE(delay->count(), 400);
    EXPECT_LE(delay->count(), i == 0 ? 100 : 2 * last.count());
    last = *delay;
  }
  EXPECT_FALSE(state.NextDelay().has_value());
  policy.total = std::chrono::milliseconds(50);
  EXPECT_FALSE(RetryState(policy).NextDelay().has_value()) << "the first pause would end too late";
}

class RetryStoreTest : public testing::Test {
 protected:
  RetryStoreTest()
      : fault_(std::make_shared<FaultStore>(MakeMemoryStore())), store_(MakeRetryStore(fault_, FastRetries(3), &metrics_)) {
    EXPECT_TRUE(fault_->Put("a", Bytes::FromString("content"), ctx_).ok());
  }
  uint64_t retries() { return metrics_.counter("lancefs_store_retries_total"); }

  OpContext ctx_;
  Metrics metrics_;
  std::shared_ptr<FaultStore> fault_;
  std::shared_ptr<ObjectStore> store_;
};

TEST_F(RetryStoreTest, TransientFailuresAreTriedAgain) {
  const Status busy = Status::Unavailable("busy");
  for (const StoreCall call : {StoreCall::kReadRanges, StoreCall::kReadAll, StoreCall::kReadTail, StoreCall::kHead,
                               StoreCall::kList, StoreCall::kOpenWriter, StoreCall::kDelete}) {
    fault_->Fail(call, 1, busy, 2);
  }
  fault_->Fail(StoreCall::kPut, 2, busy, 2);
  const auto ranges = store_->ReadRanges("a", {{0, 3}}, ctx_);
  ASSERT_TRUE(ranges.ok()) << ranges.status().ToString();
  EXPECT_EQ((*ranges)[0].view(), "con");
  EXPECT_EQ(fault_->calls(StoreCall::kReadRanges), 3u);
  EXPECT_EQ(retries(), 2u);
  EXPECT_TRUE(store_->ReadAll("a", ctx_).ok());
  EXPECT_TRUE(store_->ReadTail("a", 2, ctx_).ok());
  EXPECT_TRUE(store_->Head("a", ctx_).ok());
  EXPECT_TRUE(store_->List({""}, ctx_).ok());
  EXPECT_TRUE(store_->Put("b", Bytes::FromString("x"), ctx_).ok());
  EXPECT_TRUE(store_->OpenWriter("c", ctx_).ok());
  EXPECT_TRUE(store_->Delete("b", ctx_).ok());
  EXPECT_EQ(retries(), 16u);
  EXPECT_EQ(fault_->calls(StoreCall::kList), 3u);
}

TEST_F(RetryStoreTest, GivesUpAtItsLimit) {
  fault_->Fail(StoreCall::kReadAll, 1, Status::Unavailable("busy"), 100);
  EXPECT_EQ(store_->ReadAll("a", ctx_).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(fault_->calls(StoreCall::kReadAll), 4u);
}

TEST_F(RetryStoreTest, DoesNotRepeatWhatCannotPass) {
  EXPECT_EQ(store_->ReadAll("none", ctx_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fault_->calls(StoreCall::kReadAll), 1u);
  EXPECT_EQ(store_->ReadRanges("a", {{5, 100}}, ctx_).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(fault_->calls(StoreCall::kReadRanges), 1u);
}

TEST_F(RetryStoreTest, NeverRepeatsACreate) {
  fault_->Fail(StoreCall::kPutIfAbsent, 1, Status::Unavailable("busy"));
  EXPECT_EQ(store_->PutIfAbsent("n", Bytes::FromString("x"), ctx_).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(fault_->calls(StoreCall::kPutIfAbsent), 1u);
  fault_->LoseReply(StoreCall::kPutIfAbsent, 2);
  EXPECT_EQ(store_->PutIfAbsent("n", Bytes::FromString("x"), ctx_).status().code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ((*store_->ReadAll("n", ctx_)).view(), "x") << "it was applied";
}

TEST_F(RetryStoreTest, CancellationEndsThePauses) {
  RetryPolicy slow;
  slow.first_delay = std::chrono::seconds(60);
  slow.max_delay = std::chrono::seconds(60);
  const auto store = MakeRetryStore(fault_, slow, &metrics_);
  fault_->Fail(StoreCall::kReadAll, 1, Status::Unavailable("busy"), 100);
  fault_->Fail(StoreCall::kReadRanges, 1, Status::Unavailable("busy"), 100);
  const OpContext late = OpContext().WithTimeout(std::chrono::milliseconds(30));
  EXPECT_EQ(store->ReadAll("a", late).status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store->ReadRanges("a", {{0, 1}}, late).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(FaultStore, LosesCutsAndStalls) {
  const OpContext ctx;
  FaultStore store(MakeMemoryStore());
  store.LoseReply(StoreCall::kPut, 1);
  EXPECT_EQ(store.Put("a", Bytes::FromString("content"), ctx).code(), StatusCode::kUnknownOutcome);
  store.Truncate(StoreCall::kReadAll, 2, 3);
  EXPECT_EQ((*store.ReadAll("a", ctx)).view(), "content");
  EXPECT_EQ((*store.ReadAll("a", ctx)).view(), "con");
  EXPECT_EQ((*store.ReadAll("a", ctx)).view(), "content");
  store.Truncate(StoreCall::kReadRanges, 1, 1);
  EXPECT_EQ((*store.ReadRanges("a", {{1, 4}}, ctx))[0].view(), "o");
  store.Stall(StoreCall::kHead, 1, std::chrono::seconds(60));
  EXPECT_EQ(store.Head("a", ctx.WithTimeout(std::chrono::milliseconds(20))).status().code(), StatusCode::kDeadlineExceeded);
  store.LoseReply(StoreCall::kFinish, 1);
  auto writer = store.OpenWriter("w", ctx);
  EXPECT_EQ((*writer)->Finish(ctx).code(), StatusCode::kUnknownOutcome);
  EXPECT_TRUE((*store.Head("w", ctx)).has_value());
  store.Fail(StoreCall::kDelete, 1, Status::IoError("no"));
  store.Clear();
  EXPECT_TRUE(store.Delete("a", ctx).ok());
}

TEST(MeteredStore, CountsAsACloudStoreWould) {
  const OpContext ctx;
  Metrics metrics;
  const auto store = MakeMeteredStore(MakeMemoryStore(), &metrics);
  auto count = [&](const char* kind) { return metrics.counter(std::string("lancefs_store_") + kind + "_total").load(); };
  ASSERT_TRUE(store->Put("a", Bytes::FromString(std::string(20 << 20, 'x')), ctx).ok());
  ASSERT_TRUE(store->ReadRanges("a", {{0, 10}, {20, 10}, {10 << 20, 10}}, ctx).ok());
  EXPECT_EQ(count("get_requests"), 2u);
  EXPECT_EQ(count("bytes_read"), 40u);
  ASSERT_TRUE(store->ReadRanges("a", {{0, 20 << 20}}, ctx).ok());
  EXPECT_EQ(count("get_requests"), 4u) << "20 MiB in requests of at most 16";
  EXPECT_FALSE(store->ReadRanges("none", {{0, 20}}, ctx).ok());
  EXPECT_EQ(count("get_requests"), 5u);
  EXPECT_EQ(count("bytes_read"), (20u << 20) + 40);
  for (int i = 0; i < 1001; ++i) ASSERT_TRUE(store->Put("l/" + std::to_string(i), Bytes(), ctx).ok());
  ASSERT_TRUE(store->List({"l/"}, ctx).ok());
  EXPECT_EQ(count("list_requests"), 2u);
  auto writer = store->OpenWriter("w", ctx);
  ASSERT_TRUE((*writer)->Write(Bytes::FromString(std::string((16 << 20) + 1, 'x')), ctx).ok());
  EXPECT_EQ(count("multipart_requests"), 0u);
  ASSERT_TRUE((*writer)->Finish(ctx).ok());
  EXPECT_EQ(count("multipart_requests"), 2u);
  EXPECT_EQ(count("put_requests"), 1u + 1001 + 3);
  ASSERT_TRUE(store->Delete("w", ctx).ok());
  ASSERT_TRUE(store->Head("w", ctx).ok());
  EXPECT_EQ(count("delete_requests"), 1u);
  EXPECT_EQ(count("head_requests"), 1u);
  EXPECT_EQ(count("requests"), count("get_requests") + count("put_requests") + count("list_requests") + 2 + 2);
}

TEST(Registry, OpensStoresByUri) {
  const OpContext ctx;
  const auto first = OpenStore("memory://shared/dir/t.lance");
  const auto again = OpenStore("memory://shared/other");
  const auto other = OpenStore("memory://elsewhere/dir");
  ASSERT_TRUE(first.ok() && again.ok() && other.ok());
  EXPECT_EQ((*first).path, "dir/t.lance");
  ASSERT_TRUE((*first).store->Put("k", Bytes::FromString("v"), ctx).ok());
  EXPECT_TRUE((*again).store->ReadAll("k", ctx).ok()) << "one store per name";
  EXPECT_FALSE((*other).store->ReadAll("k", ctx).ok());

  const auto local = OpenStore(TemporaryRoot() + "/registry");
  ASSERT_TRUE(local.ok());
  EXPECT_EQ((*local).path, "");
  ASSERT_TRUE((*local).store->Put("k", Bytes::FromString("v"), ctx).ok());
  EXPECT_TRUE(std::filesystem::exists(TemporaryRoot() + "/registry/k"));

  const auto s3 = OpenStore("s3://bucket/a%20b/t.lance", {{"aws_skip_signature", "true"}});
  ASSERT_TRUE(s3.ok()) << s3.status().ToString();
  EXPECT_EQ((*s3).path, "a b/t.lance");
  EXPECT_EQ((*s3).store->name(), "s3://bucket");
  EXPECT_EQ(OpenStore("s3://bucket/a?x=1", {{"aws_skip_signature", "true"}}).status().code(), StatusCode::kInvalidArgument);
  const StorageOptions azure = {{"azure_storage_account_name", "account"}, {"azure_skip_signature", "true"}};
  for (const char* uri : {"az://box/a%20b/t.lance", "az://box@account.dfs.core.windows.net/a%20b/t.lance",
                          "abfss://box@account.dfs.core.windows.net/a%20b/t.lance"}) {
    const auto opened = OpenStore(uri, azure);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    EXPECT_EQ((*opened).path, "a b/t.lance");
    EXPECT_EQ((*opened).store->name(), "az://box");
    EXPECT_EQ((*opened).uri, uri);
  }
  const Status signed_url = OpenStore("az://box/a?sv=1&sig=hush", azure).status();
  EXPECT_EQ(signed_url.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(signed_url.message().find("hush"), std::string::npos) << signed_url.ToString();
  const auto gcs = OpenStore("gs://bucket/a%20b", {{"google_bearer_token", "hush"}});
  ASSERT_TRUE(gcs.ok()) << gcs.status().ToString();
  EXPECT_EQ((*gcs).path, "a b");
  EXPECT_EQ((*gcs).store->name(), "gs://bucket");
  const Status unknown = OpenStore("oss://bucket/a").status();
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.message().find("oss"), std::string::npos) << unknown.ToString();
  EXPECT_EQ(OpenStore("ftp://x/y").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lancefs
