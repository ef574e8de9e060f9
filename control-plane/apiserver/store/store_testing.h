#pragma once

#include <memory>
#include <string>

#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_store.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// A store in memory, for tests of what follows from writes.
class MemoryStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ObjectStore::Open({.path = ":memory:"}, Clock::Real());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  const api::KindInfo& Kind(const char* api_version, const char* kind) {
    KindPtr found = store_->kinds().FindKind(api_version, kind);
    EXPECT_NE(found, nullptr) << kind;
    kept_.push_back(found);
    return *found;
  }
  static int Code(const absl::Status& status) {
    return status.ok() ? 200 : StatusObject(status)["code"].get<int>();
  }
  nlohmann::json Make(const nlohmann::json& object) {
    const auto made = store_->Create(
        Kind(object["apiVersion"].get<std::string>().c_str(), object["kind"].get<std::string>().c_str()),
        object);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : nlohmann::json::object();
  }

  std::unique_ptr<ObjectStore> store_;
  std::vector<KindPtr> kept_;
};

}  // namespace xpu::apiserver
